from autograder.checks import Exam
from autograder.home import make_check


def test_an_endless_answer_is_stopped_and_the_next_check_works(monkeypatch):
    monkeypatch.setattr("autograder.home.PATIENCE", 0.02)
    exam = Exam("patience")

    @exam.add("answer", points=1, message="it answers")
    def answers(answer):
        answer()

    @exam.probe("answer")
    def probe(answer, random):
        return answer()

    def endless():
        while True:
            pass

    check = make_check(exam, {})
    report = check("answer", endless)
    assert report.points == 0
    assert "no answer within 0.1 seconds" in repr(report)
    assert check("answer", lambda: None).points == 1
