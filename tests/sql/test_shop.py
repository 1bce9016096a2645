"""Three weeks of invented work in a shop, in two or three copies of its database that do not know of each other: customers with a card each, invoices with lines,
returns, cancelled invoices, moved customers, playlists, all numbered by max + 1 or by AUTOINCREMENT. One merge, and every invoice has its lines, its customer and its
sum, every playlist its tracks, every card its customer. What was done is noted outside the files, by tokens that no number appears in.

SYNC_SEED repeats a run (default 1).
"""
import random
import unittest

from syncfile import SyncTest, tick

import replay
import sample

WEEKS = 3
CENTS = 99
CARDS = "CREATE TABLE Card(CustomerId INTEGER PRIMARY KEY REFERENCES Customer ON DELETE CASCADE, Token TEXT, Points INTEGER DEFAULT 0);"


class Shop:
    """One copy at work, and what it ought to have in the end: invoice token -> (customer token, {track: quantity})."""

    def __init__(self, file, name, dice):
        self.file, self.name, self.dice = file, name, dice
        self.count, self.invoices, self.customers, self.cancelled = 0, {}, [], set()
        self.cards, self.playlists = {}, {}

    def token(self, kind):
        self.count += 1
        return f"{self.name}-{kind}-{self.count}"

    def run(self, statement, *values):
        return self.file.sql(statement, *values)

    def new_customer(self):
        email = self.token("customer") + "@example.org"
        self.run("INSERT INTO Customer(FirstName, LastName, Email) VALUES(?, 'new', ?)", self.name, email)
        self.customers.append(email)
        if self.dice.random() < 0.7:
            self.new_card(email)

    def new_card(self, email):
        """One to one: the customer's number is the card's."""
        token = self.token("card")
        self.run("INSERT INTO Card(CustomerId, Token) SELECT CustomerId, ? FROM Customer WHERE Email = ?", token, email)
        self.cards[email] = (token, 0)

    def use_card(self):
        email = self.dice.choice(self.customers)
        if email not in self.cards:
            self.new_card(email)
        elif self.dice.random() < 0.2:
            self.run("DELETE FROM Card WHERE CustomerId = (SELECT CustomerId FROM Customer WHERE Email = ?)", email)
            del self.cards[email]
        else:
            token, points = self.cards[email]
            self.run("UPDATE Card SET Points = ? WHERE CustomerId = (SELECT CustomerId FROM Customer WHERE Email = ?)", points + 5, email)
            self.cards[email] = (token, points + 5)

    def playlist(self):
        """Tags: a key of two numbers, of which one is new. Some are taken off again, and put on again."""
        if not self.playlists or self.dice.random() < 0.5:
            name = self.token("playlist")
            self.run("INSERT INTO Playlist(Name) VALUES(?)", name)
            self.playlists[name] = set()
        name = self.dice.choice(sorted(self.playlists))
        for track in self.dice.sample(range(1, 400), 4):
            self.run("INSERT OR IGNORE INTO PlaylistTrack(PlaylistId, TrackId) SELECT PlaylistId, ? FROM Playlist WHERE Name = ?", track, name)
            self.playlists[name].add(track)
        track = self.dice.choice(sorted(self.playlists[name]))
        for _ in range(self.dice.randint(0, 2)):
            self.run("DELETE FROM PlaylistTrack WHERE TrackId = ? AND PlaylistId = (SELECT PlaylistId FROM Playlist WHERE Name = ?)", track, name)
            self.playlists[name].discard(track)
            if self.dice.random() < 0.5:
                self.run("INSERT INTO PlaylistTrack(PlaylistId, TrackId) SELECT PlaylistId, ? FROM Playlist WHERE Name = ?", track, name)
                self.playlists[name].add(track)

    def drop_playlist(self):
        if self.playlists:
            name = self.dice.choice(sorted(self.playlists))
            self.run("DELETE FROM PlaylistTrack WHERE PlaylistId = (SELECT PlaylistId FROM Playlist WHERE Name = ?)", name)
            self.run("DELETE FROM Playlist WHERE Name = ?", name)
            del self.playlists[name]

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
        for work in self.dice.choices([self.give_back, self.cancel, self.move, self.use_card, self.playlist, self.drop_playlist], [3, 1, 2, 2, 3, 1], k=4):
            if self.invoices:
                work()
        self.run("COMMIT")


class Weeks(SyncTest):
    make = staticmethod(sample.make)

    def work(self, names):
        seed = replay.seed(__file__, default=1)
        shops = []
        for name in names:
            self.make(str(self.path(name + ".db")))
            file = self.file(name)
            file.script(CARDS)
            file.track_all()
            file.sql("PRAGMA foreign_keys = on")
            shops.append(Shop(file, name, random.Random(f"{seed} {name}")))
        for _ in range(7 * WEEKS):
            for shop in shops:
                shop.day()
            tick()
        return shops

    def check(self, shops):
        expected, emails, cards, playlists = {}, {}, {}, {}
        for shop in shops:
            for token, (email, tracks) in shop.invoices.items():
                expected[token] = sorted(tracks.items())
                emails[token] = email
            cards.update(shop.cards)
            playlists.update(shop.playlists)
        for shop in shops:
            self.assertEqual(shop.file.held(), [])
            found = {token: [] for (token,) in shop.run("SELECT BillingCity FROM Invoice WHERE BillingCity GLOB '*-invoice-*'")}
            for token, track, quantity in shop.run("SELECT BillingCity, TrackId, Quantity FROM Invoice JOIN InvoiceLine USING(InvoiceId) WHERE BillingCity GLOB '*-invoice-*'"):
                found[token].append((track, quantity))
            self.assertEqual({token: sorted(lines) for token, lines in found.items()}, expected)
            self.assertEqual({email: (token, points) for email, token, points in shop.run("SELECT Email, Token, Points FROM Card JOIN Customer USING(CustomerId)")}, cards)
            listed = {name: set() for (name,) in shop.run("SELECT Name FROM Playlist WHERE Name GLOB '*-playlist-*'")}
            for name, track in shop.run("SELECT Name, TrackId FROM Playlist JOIN PlaylistTrack USING(PlaylistId) WHERE Name GLOB '*-playlist-*'"):
                listed[name].add(track)
            self.assertEqual(listed, playlists)
            self.assertEqual(dict(shop.run("SELECT BillingCity, Email FROM Invoice JOIN Customer USING(CustomerId) WHERE BillingCity GLOB '*-invoice-*'")), emails)
            self.assertEqual(shop.run("""SELECT BillingCity, Total, sum FROM Invoice LEFT JOIN (SELECT InvoiceId, round(total(UnitPrice * Quantity), 2) AS sum FROM InvoiceLine
                                         GROUP BY 1) USING(InvoiceId) WHERE BillingCity GLOB '*-invoice-*' AND abs(Total - ifnull(sum, 0)) > 0.001"""), [])

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


class Autoincrement(Weeks):
    """Numbers that sqlite_sequence hands out, and that are never used twice."""
    make = staticmethod(sample.make_autoincrement)


if __name__ == "__main__":
    unittest.main()
