import pytest

from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.cohort.cohort import save_cohort
from napari_cytosae._patient import NOBODY, PatientPanel


@pytest.fixture
def panel(viewer, session, qtbot):
    panel = PatientPanel(viewer, session)
    qtbot.addWidget(panel)
    panel.resize(420, 700)
    panel.show()
    qtbot.waitUntil(lambda: panel.patients.count() == 9)
    return panel


def concepts(panel):
    return [panel.concepts.topLevelItem(i) for i in range(panel.concepts.topLevelItemCount())]


def test_patient_to_concept_to_cells_to_patches(panel, session, atlas, viewer, qtbot):
    session.show_flagged = True
    assert panel.patients.itemText(0) == NOBODY
    panel.show_patient("p3")
    qtbot.waitUntil(lambda: bool(concepts(panel)) and bool(panel.grid.cells.cells))
    assert "p3" in panel.about.text() and "6 cells" in panel.about.text()
    assert [panel.groups.itemText(i) for i in range(3)] == ["all other patients", "aml", "control"]
    assert concepts(panel)[0].text(0)[0] in "▲▼"
    panel.concepts.setCurrentItem(concepts(panel)[0])
    latent = session.latent()
    assert str(latent) in concepts(panel)[0].text(0)
    qtbot.waitUntil(lambda: str(latent) in panel.cells_title.text())
    values = [cell.value for cell in panel.grid.cells.cells]
    assert values == sorted(values, reverse=True) and {c.patient for c in panel.grid.cells.cells} == {"p3"}
    panel.opener.analyse = lambda layer: None
    panel.grid.opened.emit(panel.grid.cells.cells[0])
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)


def test_another_group_changes_the_numbers(panel, session, qtbot):
    session.show_flagged = True
    panel.show_patient("p3")
    qtbot.waitUntil(lambda: bool(concepts(panel)))
    before = [item.text(2) for item in concepts(panel)]
    panel.groups.setCurrentText("aml")
    panel._compare()
    qtbot.waitUntil(lambda: [item.text(2) for item in concepts(panel)] != before)


def test_names_appear(panel, session, qtbot):
    session.show_flagged = True
    panel.show_patient("p3")
    qtbot.waitUntil(lambda: bool(concepts(panel)))
    latent = int(concepts(panel)[0].data(0, 256))
    session.annotate([latent], name="granules")
    assert "granules" in concepts(panel)[0].text(0)


def test_barcodes_of_a_file(panel, session, atlas, tmp_path, qtbot):
    panel.open_barcodes(save_cohort(barcodes(atlas), tmp_path / "b.h5ad"))
    qtbot.waitUntil(lambda: panel.groups.count() == 3)


def test_a_folder(panel, session, cells_csv, tmp_path, qtbot):
    (tmp_path / "mine").mkdir()
    for i in range(3):
        (tmp_path / "mine" / f"{i}.png").write_bytes((cells_csv.parent / f"0{i}.png").read_bytes())
    panel.show_folder(tmp_path / "mine")
    qtbot.waitUntil(lambda: len(panel.grid.cells.cells) == 3, timeout=20000)
    assert "mine" in panel.about.text() and panel.patients.currentText() == NOBODY


def test_cancel_leaves_things_as_they_were(panel, cells_csv, qtbot):
    panel.show_folder(cells_csv.parent)
    assert panel.stop.isVisible()
    panel.stop.click()
    qtbot.waitUntil(lambda: not panel.stop.isVisible())
    assert not panel.grid.cells.cells


def test_another_source_forgets_the_patient(panel, session, qtbot):
    panel.show_patient("p3")
    qtbot.waitUntil(lambda: bool(panel.grid.cells.cells))
    session.set_source(None, None)
    assert not panel.grid.cells.cells and not concepts(panel)
    assert "Open an atlas" in panel.message.text()
