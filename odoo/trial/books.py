"""Odoo's books against Stripe's."""

from collections import defaultdict

from report import Failed, equal, wait_for


class Books:
    """What the general ledger says of the accounts that we touch."""

    def __init__(self, shop, stand):
        self.odoo, self.shop, self.stand = shop.odoo, shop, stand

    def balances(self):
        """The balance of each account that was ever posted to, by its name."""
        lines = self.odoo.search("account.move.line", [("parent_state", "=", "posted")], ["account_id", "balance"])
        sums = defaultdict(float)
        for line in lines:
            sums[line["account_id"][1]] += line["balance"]
        return {name: round(balance, 2) for name, balance in sums.items()}

    def journal(self):
        """The Stripe journal, and its own account."""
        provider = self.shop.look("journal_id")
        journal = self.odoo.find("account.journal", [("id", "=", provider["journal_id"][0])], ["name", "default_account_id"])
        return journal["id"], journal["default_account_id"][1]

    def outstanding(self):
        """What still waits on the accounts that payments of our provider are posted to, apart from the journal's own."""
        journal, own = self.journal()
        methods = self.odoo.search("account.payment.method.line", [("journal_id", "=", journal)], ["payment_account_id"])
        names = {line["payment_account_id"][1] for line in methods if line["payment_account_id"]} - {own}
        moves = self.odoo.search("account.payment", [("journal_id", "=", journal)], ["outstanding_account_id"])
        names |= {move["outstanding_account_id"][1] for move in moves if move["outstanding_account_id"]} - {own}
        balances = self.balances()
        return {name: balances.get(name, 0.0) for name in names}

    def check(self):
        """Fail unless the trial balance is zero, nothing is outstanding and the journal holds what Stripe holds."""
        self.stand.order("wait")
        held = lambda: self.stand.order("look", self.shop.currency.lower())["balance"] / 100
        own = self.journal()[1]
        wait_for(
            f"{own} is Stripe's balance ({held()})",
            lambda: self.balances().get(own, 0.0) == round(held(), 2),
        )
        equal("the trial balance", round(sum(self.balances().values()), 2), 0.0)
        left = {name: balance for name, balance in self.outstanding().items() if balance}
        if left:
            raise Failed(f"still outstanding: {left}")
