"""Hostile URLs, each with the refusal that it must get, and the host names that they use."""

from .wording import LOCAL_FILES_OFF, NOT_AN_IMAGE_URL

FIRST = "first_frame_image_url"
PUBLIC = "93.184.215.14"

WRONG = f"{FIRST} {NOT_AN_IMAGE_URL}"
LIFTED = "(SEEDANCE_ALLOW_PRIVATE_URLS=true allows it)."
PRIVATE = WRONG + "its address is not public " + LIFTED
INSIDE = WRONG + "its host has an address that is not public " + LIFTED
ODD = WRONG + "its host is an address in an unusual form."
NAME = WRONG + "its host is not a valid name."
HINT = "(if only RunComfy can resolve it, SEEDANCE_CHECK_IMAGES=false skips this check)."
ESCAPE = WRONG + "it has characters that a URL must escape."
HOST = WRONG + "it has no host."
USER = WRONG + "it contains a user name."
PARSE = WRONG + "it cannot be parsed."

NAMES: dict[str, list[list[str]]] = {
    "images.example": [[PUBLIC]],
    "localhost": [["127.0.0.1", "::1"]],
    "inside.example": [["10.0.0.5"]],
    "both.example": [[PUBLIC, "10.0.0.5"]],
    "six.example": [["fd00::5"]],
    "both-six.example": [[PUBLIC, "::1"]],
    "mapped.example": [["::ffff:127.0.0.1"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "scoped.example": [["fe80::1%eth0"]],
    "nothing.example": [[]],
    "xn--bcher-kva.example": [["192.168.1.1"]],
    "intranet": [["172.16.3.4"]],
    "trailing.example.": [["127.0.0.1"]],
    "under_score.example": [["100.64.0.1"]],
    "127.0.0.1.nip.example": [["127.0.0.1"]],
}

HOSTILE = {
    # Addresses in their usual form.
    "https://127.0.0.1/a.png": PRIVATE,
    "https://127.1.2.3/a.png": PRIVATE,
    "https://127.0.0.1./a.png": PRIVATE,
    "https://0.0.0.0/a.png": PRIVATE,
    "https://10.1.2.3/a.png": PRIVATE,
    "https://100.64.0.1/a.png": PRIVATE,
    "https://100.100.100.200/latest/meta-data/": PRIVATE,
    "https://169.254.169.254/latest/meta-data/": PRIVATE,
    "https://168.63.129.16/machine": PRIVATE,
    "https://172.16.0.1/a.png": PRIVATE,
    "https://172.31.255.255/a.png": PRIVATE,
    "https://192.0.0.192/opc/v2/": PRIVATE,
    "https://192.0.2.1/a.png": PRIVATE,
    "https://192.88.99.1/a.png": PRIVATE,
    "https://192.168.0.1/a.png": PRIVATE,
    "https://198.18.0.1/a.png": PRIVATE,
    "https://198.51.100.7/a.png": PRIVATE,
    "https://203.0.113.9/a.png": PRIVATE,
    "https://224.0.0.1/a.png": PRIVATE,
    "https://240.0.0.1/a.png": PRIVATE,
    "https://255.255.255.255/a.png": PRIVATE,
    "https://[::]/a.png": PRIVATE,
    "https://[::1]/a.png": PRIVATE,
    "https://[0:0:0:0:0:0:0:1]/a.png": PRIVATE,
    "https://[::ffff:127.0.0.1]/a.png": PRIVATE,
    "https://[::ffff:7f00:1]/a.png": PRIVATE,
    "https://[::ffff:93.184.215.14]/a.png": PRIVATE,
    "https://[::127.0.0.1]/a.png": PRIVATE,
    "https://[fc00::1]/a.png": PRIVATE,
    "https://[fd00:ec2::254]/latest/": PRIVATE,
    "https://[fe80::1]/a.png": PRIVATE,
    "https://[fec0::1]/a.png": PRIVATE,
    "https://[ff02::1]/a.png": PRIVATE,
    "https://[100::1]/a.png": PRIVATE,
    "https://[64:ff9b::7f00:1]/a.png": PRIVATE,
    "https://[64:ff9b::a9fe:a9fe]/a.png": PRIVATE,
    "https://[64:ff9b:1::1]/a.png": PRIVATE,
    "https://[2001:db8::1]/a.png": PRIVATE,
    "https://[2001::1]/a.png": PRIVATE,
    "https://[2002:7f00:1::1]/a.png": PRIVATE,
    "https://[2002:a00:1::1]/a.png": PRIVATE,
    "https://[3fff::1]/a.png": PRIVATE,
    # Addresses in unusual forms.
    "https://2130706433/a.png": ODD,
    "https://0x7f000001/a.png": ODD,
    "https://0x7f.0.0.1/a.png": ODD,
    "https://0177.0.0.1/a.png": ODD,
    "https://127.0.0.01/a.png": ODD,
    "https://017700000001/a.png": ODD,
    "https://127.1/a.png": ODD,
    "https://127.0.1/a.png": ODD,
    "https://127.0.0.0x1/a.png": ODD,
    "https://0/a.png": ODD,
    "https://256.256.256.256/a.png": ODD,
    "https://1.2.3.4.5/a.png": ODD,
    "https://[fe80::1%25eth0]/a.png": ODD,
    "https://[v1.a]/a.png": ODD,
    # Invalid names.
    "https://%31%32%37.0.0.1/a.png": ODD,
    "https://127%2e0%2e0%2e1/a.png": NAME,
    "https://images.example%00.inside.example/a.png": NAME,
    "https://images..example/a.png": NAME,
    "https://-images.example/a.png": NAME,
    "https://.../a.png": NAME,
    "https://images.example,inside.example/a.png": NAME,
    "https://(inside.example)/a.png": NAME,
    f"https://{'a' * 64}.example/a.png": NAME,
    f"https://{'a.' * 127}example/a.png": NAME,
    # Names of private hosts.
    "https://localhost/a.png": INSIDE,
    "https://LOCALHOST/a.png": INSIDE,
    "https://inside.example/a.png": INSIDE,
    "https://both.example/a.png": INSIDE,
    "https://six.example/a.png": INSIDE,
    "https://both-six.example/a.png": INSIDE,
    "https://mapped.example/a.png": INSIDE,
    "https://scoped.example/a.png": INSIDE,
    "https://metadata.google.internal/computeMetadata/v1/": INSIDE,
    "https://xn--bcher-kva.example/a.png": INSIDE,
    "https://intranet/a.png": INSIDE,
    "https://trailing.example./a.png": INSIDE,
    "https://under_score.example/a.png": INSIDE,
    "https://127.0.0.1.nip.example/a.png": INSIDE,
    "https://nothing.example/a.png": WRONG + "its host nothing.example does not exist " + HINT,
    "https://unknown.example/a.png": WRONG + "its host unknown.example does not exist " + HINT,
    # URLs that two parsers could read differently.
    "https://images.example@127.0.0.1/a.png": USER,
    "https://me:secret@images.example/a.png": USER,
    "https://images.example:443@inside.example/a.png": USER,
    "https://@images.example/a.png": USER,
    "https://images.example\\@127.0.0.1/a.png": ESCAPE,
    "https://127.0.0.1\\.images.example/a.png": ESCAPE,
    "https:\\\\127.0.0.1/a.png": ESCAPE,
    "https://①②⑦.0.0.1/a.png": ESCAPE,
    "https://127。0。0。1/a.png": ESCAPE,
    "https://images.example\n.inside.example/a.png": ESCAPE,
    "https://images.example\t/a.png": ESCAPE,
    "https:// 127.0.0.1/a.png": ESCAPE,
    "https:/127.0.0.1/a.png": HOST,
    "https:127.0.0.1": HOST,
    "https:///127.0.0.1/a.png": HOST,
    "https://[::1/a.png": PARSE,
    "https://[127.0.0.1]/a.png": PARSE,
    # Other ports, other schemes.
    "https://images.example:22/a.png": WRONG
    + "its port is 22; files are fetched from port 443 only.",
    "https://images.example:8443/a.png": WRONG
    + "its port is 8443; files are fetched from port 443 only.",
    "https://images.example:80/a.png": WRONG
    + "its port is 80; files are fetched from port 443 only.",
    "https://images.example:0/a.png": WRONG
    + "its port is 0; files are fetched from port 443 only.",
    "https://images.example:-1/a.png": PARSE,
    "https://images.example:65536/a.png": PARSE,
    "http://images.example/a.png": WRONG + "it begins with http:.",
    "http://127.0.0.1/a.png": WRONG + "it begins with http:.",
    "ftp://images.example/a.png": WRONG + "it begins with ftp:.",
    "gopher://127.0.0.1:6379/_INFO": WRONG + "it begins with gopher:.",
    "file:///etc/passwd": WRONG + LOCAL_FILES_OFF,
    "unix:///var/run/docker.sock": WRONG + "it begins with unix:.",
    "//127.0.0.1/a.png": WRONG + LOCAL_FILES_OFF,
}
