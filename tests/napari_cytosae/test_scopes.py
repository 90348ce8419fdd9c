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


def test_each_of_many_sets_is_reached_and_legible(scopes):
    scopes.show_sets([f"image_set_of_hospital_{i}" for i in range(5)])
    scopes.resize(420, 60)
    scopes.show()
    tabs, metrics = scopes.tabs, scopes.tabs.fontMetrics()
    for i in range(tabs.count()):
        assert tabs.tabRect(i).width() > metrics.horizontalAdvance(tabs.tabText(i))
        tabs.setCurrentIndex(i)
        assert tabs.rect().contains(tabs.tabRect(i).center()) and tabs.isVisible()
    assert scopes.scope == Scope("set", "image_set_of_hospital_4")
