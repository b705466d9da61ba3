"""The picture of the rooms is that of the code, and every room is described."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def rooms(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("rooms", repository / "docs" / "rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_the_rooms_is_up_to_date(rooms: ModuleType) -> None:
    page = rooms.PAGE.read_text(encoding="utf-8")
    assert rooms.with_picture(page) == page, "run: python docs/rooms.py --write"


def test_every_room_is_described(rooms: ModuleType) -> None:
    table = rooms.PAGE.read_text(encoding="utf-8").split("| room |")[1].split("\n\n")[0]
    for room in rooms.rooms():
        assert f"`{room}`" in table or f"`{room}/" in table, room
