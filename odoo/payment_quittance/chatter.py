"""What is to be said in the chatter once all else is done."""

from markupsafe import Markup


class Chatter:
    """Notes and tracked changes that are to be written, in their order."""

    def __init__(self):
        self.notes = []
        self.changes = []

    def add(self, record, author, body):
        self.notes.append((record._name, record.id, author, body))

    def add_change(self, record, change):
        self.changes.append((record._name, record.id, change))

    def mark(self):
        """How far it goes, to go back to where what was said was not done."""
        return len(self.notes), len(self.changes)

    def go_back(self, mark):
        notes, changes = mark
        del self.notes[notes:]
        del self.changes[changes:]

    def by_author(self):
        """By model and author, the notes on each record, put together to one."""
        found = {}
        for model, record, author, body in self.notes:
            bodies = found.setdefault((model, author), {})
            bodies[record] = Markup("%s<br/>%s") % (bodies[record], body) if record in bodies else body
        return found

    def changes_by_model(self):
        """By model, the changes of each record."""
        found = {}
        for model, record, change in self.changes:
            found.setdefault(model, {}).setdefault(record, []).append(change)
        return found
