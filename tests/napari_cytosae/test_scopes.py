import pytest

from napari_cytosae._cells import EVERYWHERE, Scope
from napari_cytosae._scopes import ScopeTabs


@pytest.fixture
def scopes(qtbot):
    scopes = ScopeTabs()
    qtbot.addWidget(scopes)
    scopes.show_sets(["north_1", "south"])
    return scopes


def test_one_set_needs_no_tab_of_its_own(scopes):
    assert [scopes.tabs.tabText(i) for i in range(3)] == ["Everywhere", "north 1", "south"]
    scopes.show_sets(["north_1"])
    assert scopes.tabs.count() == 1 and scopes.scope == EVERYWHERE


def test_a_patient_is_chosen_by_name(scopes, qtbot):
    scopes.show_patients(["p1", "p2"])
    with qtbot.waitSignal(scopes.changed):
        scopes.only(Scope("patient", "p2"))
    assert scopes.scope == Scope("patient", "p2") and not scopes.patients.isHidden()
    scopes.only(Scope("set", "south"))
    assert scopes.scope == Scope("set", "south") and scopes.patients.isHidden()
