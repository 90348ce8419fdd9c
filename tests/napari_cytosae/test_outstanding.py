import pandas as pd
import pytest

from napari_cytosae._outstanding import N_CONCEPTS, OutstandingList


def table(latents):
    columns = {"score": 2.0, "value": 8.0, "others": 3.0, "low": 1.0, "high": 4.0}
    found = pd.DataFrame([columns] * len(latents), index=pd.Index(latents, name="latent"))
    found.iloc[1, 0] = -2.0
    return found


@pytest.fixture
def listed(qtbot, session):
    session.show_flagged = True
    listed = OutstandingList(session)
    qtbot.addWidget(listed)
    listed.show_table(table(range(10, 10 + N_CONCEPTS + 3)))
    return listed


def test_more_and_less_than_the_group(listed):
    first, second = listed.items()[:2]
    assert [first.text(column) for column in range(3)] == ["▲ candidate concept 10", "8.00", "3.00"]
    assert second.text(0) == "▼ candidate concept 11"
    assert "80 % of them between 1.00 and 4.00" in first.toolTip(1) and len(listed.items()) == N_CONCEPTS


def test_a_click_is_heard_and_marking_is_not(listed, session):
    heard = []
    listed.chosen.connect(heard.append)
    listed.setCurrentItem(listed.items()[3])
    assert heard == [13]
    session.choose(12)
    listed.mark()
    assert listed.currentItem() is listed.items()[2] and heard == [13]


def test_names_appear(listed, session):
    session.annotate([11], name="granules")
    listed.rename()
    assert listed.items()[1].text(0) == "▼ granules (11)"
