"""dimpflow.sources: what is taken, in which order, and one clear line for everything else."""

import os
from pathlib import Path

import pytest

from dimpflow.errors import InputError
from dimpflow.sources import Found, find_sources


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"{}\n")
    return folder


def refused(*inputs: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        find_sources([str(entry) for entry in inputs])
    message = str(caught.value)
    assert message.startswith("input: ") and "\n" not in message
    return message


def test_kinds_and_order(tmp_path: Path) -> None:
    names = (
        "b.ndjson",
        "Z.NDJSON.GZ",
        "core.ndjson",
        "a.ndjson.zst",
        "one.json",
        "two.Json.gz",
        "c.d_e-1.ndjson",
    )
    found = find_sources([str(make(tmp_path, *names))])
    assert [(s.name, s.compression, s.document) for s in found.sources] == [
        ("core", "", False),
        ("Z", "gz", False),
        ("a", "zst", False),
        ("b", "", False),
        ("c.d_e-1", "", False),
        ("one", "", True),
        ("two", "gz", True),
    ]
    assert {s.size for s in found.sources} == {3}
    assert found.left_out == ()


def test_files_and_folders_together(tmp_path: Path) -> None:
    folder, other = make(tmp_path / "f", "a.ndjson", "notes.txt"), make(tmp_path / "g", "b.ndjson")
    found = find_sources([str(folder), str(other / "b.ndjson")])
    assert [source.path for source in found.sources] == [folder / "a.ndjson", other / "b.ndjson"]


def test_consent_audit_and_hidden_files_are_left_out_with_a_note(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a.ndjson",
        "x_consent.ndjson",
        "y_Consent.ndjson.gz",
        "._a.ndjson",
        ".DS_Store",
        "consent.ndjson",
    )
    found = find_sources([str(tmp_path)])
    assert [source.name for source in found.sources] == ["a", "consent"]
    assert found.left_out == (
        f"{tmp_path}/._a.ndjson: left out, a hidden file",
        f"{tmp_path}/x_consent.ndjson: left out, a consent audit file of TORCH",
        f"{tmp_path}/y_Consent.ndjson.gz: left out, a consent audit file of TORCH",
    )


def test_nothing_but_consent_audit_files(tmp_path: Path) -> None:
    assert "only consent audit files" in refused(make(tmp_path, "x_consent.ndjson"))


def test_no_input() -> None:
    assert "nothing is given" in refused()


def test_missing(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone") == f"input: {tmp_path}/gone does not exist; check the path"


def test_empty_folder(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"input: no NDJSON file in folder {tmp_path}: it is empty"


def test_folder_of_other_files(tmp_path: Path) -> None:
    message = refused(make(tmp_path, "a.csv", "b.CSV", "c.xml", "README"))
    assert "it holds 2 x .csv, 1 x .xml, 1 x no extension; known are .ndjson" in message


def test_folder_of_folders(tmp_path: Path) -> None:
    for name in "abcde":
        make(tmp_path / name, "x.ndjson")
    message = refused(tmp_path)
    assert "it holds folder a, folder b, folder c, 2 more folders; only the top level is read" in message


def test_file_of_another_kind(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    assert "a.csv is not an NDJSON file; known are .ndjson" in refused(tmp_path / "a.csv")


def test_folder_named_like_a_file(tmp_path: Path) -> None:
    make(tmp_path / "x.ndjson")
    assert "x.ndjson is a folder, though its name says NDJSON file" in refused(tmp_path)


def test_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.ndjson")
    assert "x.ndjson is not a regular file" in refused(tmp_path)


def test_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "x.ndjson").symlink_to(tmp_path / "gone")
    expected = f"input: {tmp_path}/x.ndjson is a link to a file that does not exist; mend or remove it"
    assert refused(tmp_path) == refused(tmp_path / "x.ndjson") == expected


def test_link_to_a_file(tmp_path: Path) -> None:
    make(tmp_path / "d", "real.ndjson")
    (tmp_path / "x.ndjson").symlink_to(tmp_path / "d" / "real.ndjson")
    assert [(s.name, s.size) for s in find_sources([str(tmp_path)]).sources] == [("x", 3)]


def test_no_right_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "x.ndjson")
    (tmp_path / "x.ndjson").chmod(0)
    if os.geteuid() == 0:  # rights do not bind root
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "x.ndjson cannot be read: permission denied" in refused(tmp_path)


@pytest.mark.parametrize(
    "names", [("a.ndjson", "a.ndjson.gz"), ("a.ndjson", "a.json"), ("a.ndjson", "a.NDJSON")]
)
def test_two_of_one_name(tmp_path: Path, names: tuple[str, str]) -> None:
    message = refused(make(tmp_path, *names))
    assert all(f"{tmp_path}/{name}" in message for name in names) and "the same name 'a'" in message


def test_two_of_one_name_in_two_folders(tmp_path: Path) -> None:
    one, two = make(tmp_path / "1", "a.ndjson"), make(tmp_path / "2", "a.ndjson")
    assert f"{one}/a.ndjson and {two}/a.ndjson have the same name" in refused(one, two)
    assert "have the same name" in refused(one, one / "a.ndjson")


@pytest.mark.parametrize(
    "name",
    [
        "Müller.ndjson",
        "a b.ndjson",
        "a{x}.ndjson",
        "_a.ndjson",
        "-a.ndjson",
        "a\n.ndjson",
        "x" * 151 + ".ndjson",
    ],
)
def test_unsafe_names(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    with pytest.raises(InputError, match=r"rename .*a name may hold letters"):
        find_sources([str(tmp_path)])


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_the_shared_data(shape: str) -> None:
    folder = Path(__file__).parents[3] / "shared" / "data" / shape
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/data/{shape} beside the project")
    found = find_sources([str(folder)])
    assert len(found.sources) == len(list(folder.glob("*.ndjson"))) > 4
    assert found == Found(found.sources, ())
    assert (found.sources[0].name == "core") == (shape == "torch")
