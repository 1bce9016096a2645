"""Three weeks of invented work in a shop, in two or three copies of its database that do not know of each other: customers, invoices with lines, returns, cancelled
invoices, moved customers, all numbered by max + 1. One merge, and every invoice has its lines, its customer and its sum. What was done is noted outside
the files, by tokens that no number appears in.

SYNC_SEED repeats a run (default 1).
"""
import os
import random
import unittest

from syncfile import SyncTest, tick

import sample

WEEKS = 3
CENTS = 99


class Shop:
    """One copy at work, and what it ought to have in the end: invoice token -> (customer token, {track: quantity})."""

    def __init__(self, file, name, dice):
        self.file, self.name, self.dice = file, name, dice
        self.count, self.invoices, self.customers, self.cancelled = 0, {}, [], set()

    def token(self, kind):
        self.count += 1
        return f"{self.name}-{kind}-{self.count}"

    def run(self, statement, *values):
        return self.file.sql(statement, *values)

    def new_customer(self):
        email = self.token("customer") + "@example.org"
        self.run("INSERT INTO Customer(FirstName, LastName, Email) VALUES(?, 'new', ?)", self.name, email)
        self.customers.append(email)

    def invoice(self):
        if not self.customers or self.dice.random() < 0.4:
            self.new_customer()
        email, token = self.dice.choice(self.customers), self.token("invoice")
        tracks = {track: self.dice.randint(1, 3) for track in self.dice.sample(range(1, 400), self.dice.randint(1, 5))}
        self.run("INSERT INTO Invoice(CustomerId, InvoiceDate, BillingCity, Total) SELECT CustomerId, '2026-01-01', ?, 0 FROM Customer WHERE Email = ?", token, email)
        for track, quantity in tracks.items():
            self.run("INSERT INTO InvoiceLine(InvoiceId, TrackId, UnitPrice, Quantity) SELECT InvoiceId, ?, ?, ? FROM Invoice WHERE BillingCity = ?",
                     track, CENTS / 100, quantity, token)
        self.invoices[token] = (email, tracks)
        self.sum_up(token)

    def sum_up(self, token):
        """As an application does: it asks its database, and writes down what it is told."""
        self.run("UPDATE Invoice SET Total = round((SELECT total(UnitPrice * Quantity) FROM InvoiceLine AS l WHERE l.InvoiceId = Invoice.InvoiceId), 2) WHERE BillingCity = ?",
                 token)

    def give_back(self):
        token = self.dice.choice(sorted(self.invoices))
        tracks = self.invoices[token][1]
        if tracks:
            track = self.dice.choice(sorted(tracks))
            del tracks[track]
            self.run("DELETE FROM InvoiceLine WHERE TrackId = ? AND InvoiceId = (SELECT InvoiceId FROM Invoice WHERE BillingCity = ?)", track, token)
            self.sum_up(token)

    def cancel(self):
        token = self.dice.choice(sorted(self.invoices))
        self.run("DELETE FROM InvoiceLine WHERE InvoiceId = (SELECT InvoiceId FROM Invoice WHERE BillingCity = ?)", token)
        self.run("DELETE FROM Invoice WHERE BillingCity = ?", token)
        del self.invoices[token]
        self.cancelled.add(token)

    def move(self):
        self.run("UPDATE Customer SET City = ? WHERE Email = ?", self.token("city"), self.dice.choice(self.customers))

    def day(self):
        self.run("BEGIN")
        for _ in range(self.dice.randint(1, 4)):
            self.invoice()
        for work in self.dice.choices([self.give_back, self.cancel, self.move], [3, 1, 2], k=2):
            if self.invoices:
                work()
        self.run("COMMIT")


class Weeks(SyncTest):
    def work(self, names):
        seed = int(os.environ.get("SYNC_SEED", "1"))
        print(f"SYNC_SEED={seed}", flush=True)
        shops = []
        for name in names:
            sample.make(str(self.path(name + ".db")))
            file = self.file(name)
            file.track_all()
            file.sql("PRAGMA foreign_keys = on")
            shops.append(Shop(file, name, random.Random(f"{seed} {name}")))
        for _ in range(7 * WEEKS):
            for shop in shops:
                shop.day()
            tick()
        return shops

    def check(self, shops):
        expected, emails = {}, {}
        for shop in shops:
            for token, (email, tracks) in shop.invoices.items():
                expected[token] = sorted(tracks.items())
                emails[token] = email
        for shop in shops:
            self.assertEqual(shop.file.held(), [])
            found = {token: [] for (token,) in shop.run("SELECT BillingCity FROM Invoice WHERE BillingCity GLOB '*-invoice-*'")}
            for token, track, quantity in shop.run("SELECT BillingCity, TrackId, Quantity FROM Invoice JOIN InvoiceLine USING(InvoiceId) WHERE BillingCity GLOB '*-invoice-*'"):
                found[token].append((track, quantity))
            self.assertEqual({token: sorted(lines) for token, lines in found.items()}, expected)
            self.assertEqual(dict(shop.run("SELECT BillingCity, Email FROM Invoice JOIN Customer USING(CustomerId) WHERE BillingCity GLOB '*-invoice-*'")), emails)
            self.assertEqual(shop.run("""SELECT BillingCity, Total, sum FROM Invoice JOIN (SELECT InvoiceId, round(total(UnitPrice * Quantity), 2) AS sum FROM InvoiceLine
                                         GROUP BY 1) USING(InvoiceId) WHERE BillingCity GLOB '*-invoice-*' AND abs(Total - sum) > 0.001"""), [])

    def test_two_copies(self):
        shops = self.work("ab")
        numbers = [{n for (n,) in shop.run("SELECT InvoiceId FROM Invoice WHERE BillingCity GLOB '*-invoice-*'")} for shop in shops]
        self.assertGreater(len(numbers[0] & numbers[1]), 10)  # they did hand out the same ones
        self.level(*[shop.file for shop in shops])
        self.check(shops)

    def test_three_copies_and_another_week(self):
        shops = self.work("abc")
        self.level(*[shop.file for shop in shops])
        self.check(shops)
        for _ in range(7):
            for shop in shops:
                shop.day()
            tick()
        self.level(*[shop.file for shop in shops])
        self.check(shops)


if __name__ == "__main__":
    unittest.main()
