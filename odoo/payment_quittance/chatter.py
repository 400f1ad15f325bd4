"""What is to be said in the chatter once all else is done."""

from markupsafe import Markup


class Chatter:
    """Notes that are to be written, in their order."""

    def __init__(self):
        self.notes = []

    def add(self, record, author, body):
        self.notes.append((record._name, record.id, author, body))

    def mark(self):
        """How far it goes, to go back to where what was said was not done."""
        return len(self.notes)

    def go_back(self, mark):
        del self.notes[mark:]

    def by_author(self):
        """By model and author, the notes on each record, put together to one."""
        found = {}
        for model, record, author, body in self.notes:
            bodies = found.setdefault((model, author), {})
            bodies[record] = Markup("%s<br/>%s") % (bodies[record], body) if record in bodies else body
        return found
