"""`Question` and `Finding`: what the probe wants to know of an account, and what it found."""

from dataclasses import dataclass

UNDECIDED = "not decidable with this account's data"


@dataclass(frozen=True)
class Finding:
    """The answer to one question."""

    name: str
    """The switch of the sandbox that the question is about, or a name like it."""
    anchor: str
    """The part of docs/api.md that the question is about."""
    question: str
    answer: str
    """The position of the switch, a count, or names of types and headers; never a value from the account's rows."""
    needs: str = ""
    """The data that an answer needs, where there is none."""


@dataclass(frozen=True)
class Question:
    """A question; its fields are those of its `Finding`."""

    name: str
    anchor: str
    text: str

    def answered(self, answer: str) -> Finding:
        """The finding with this answer."""
        return Finding(self.name, self.anchor, self.text, answer)

    def undecided(self, needs: str) -> Finding:
        """The finding without an answer, because the account has no data of this kind."""
        return Finding(self.name, self.anchor, self.text, UNDECIDED, needs)
