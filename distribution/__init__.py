"""What `make dist` built, read and run as whoever installs it has it: `make test-dist`."""
