from __future__ import annotations

import pytest

from napari_cytosae._question import Question


@pytest.fixture
def question(qtbot):
    question = Question()
    qtbot.addWidget(question)
    return question


def test_it_is_hidden_until_it_asks_and_after_the_answer(question):
    answers = []
    assert question.isHidden()
    question.ask("Download 3 MB?", "Download", lambda: answers.append("yes"), otherwise=lambda: answers.append("no"))
    assert not question.isHidden()
    assert (question.text.text(), question.yes.text(), question.no.text()) == ("Download 3 MB?", "Download", "Not now")
    question.yes.click()
    assert (answers, question.isHidden()) == (["yes"], True)


def test_a_second_question_replaces_the_first(question):
    answers = []
    question.ask("One?", "Yes", lambda: answers.append(1))
    question.ask("Two?", "Yes", lambda: answers.append(2), otherwise=lambda: answers.append(-2))
    question.no.click()
    assert answers == [-2]


def test_further_answers_belong_to_one_question(question):
    answers = []
    question.ask(
        "One?", "Yes", lambda: answers.append(1), more=[("Other …", "Something else", lambda: answers.append(2))]
    )
    other = question.more.itemAt(0).widget()
    assert (other.text(), other.toolTip()) == ("Other …", "Something else")
    other.click()
    assert answers == [2] and question.isHidden()
    question.ask("Two?", "Yes", lambda: answers.append(3))
    assert question.more.count() == 0
