"""Uniqueness that Postgres itself keeps, declared alike in every series of Odoo."""

from odoo.tools import SQL


def make_unique(cr, table, *columns):
    """Have no two rows of a table hold the same in these columns; rows that lack one of them are left alone."""
    cr.execute(
        SQL(
            "CREATE UNIQUE INDEX IF NOT EXISTS %s ON %s (%s)",
            SQL.identifier(f"{table}_{columns[-1]}_uniq"),
            SQL.identifier(table),
            SQL(", ").join(SQL.identifier(column) for column in columns),
        )
    )
