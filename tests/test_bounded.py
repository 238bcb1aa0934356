from seedance_mcp.bounded import BoundedDict


def test_the_entry_that_was_set_longest_ago_makes_room() -> None:
    newest = BoundedDict[str, int](3)
    for number, name in enumerate("abcab"):
        newest[name] = number
    assert dict(newest) == {"c": 2, "a": 3, "b": 4}
    newest["d"] = 5
    newest.update(e=6)
    assert dict(newest) == {"b": 4, "d": 5, "e": 6}
    assert (newest.pop("d"), len(newest)) == (5, 2)
