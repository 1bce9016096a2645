"""A sample database that nobody made for synchronisation: the Chinook file where it is there, otherwise a store of our own
with the same tables, so that the same tests run on either."""
import random
import shutil
import sqlite3

from synctest import CHINOOK

TABLES = ["Album", "Artist", "Customer", "Employee", "Genre", "Invoice", "InvoiceLine", "MediaType", "Playlist", "PlaylistTrack", "Track"]

SCHEMA = """
CREATE TABLE Artist(ArtistId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE Album(AlbumId INTEGER NOT NULL PRIMARY KEY, Title NVARCHAR(160) NOT NULL, ArtistId INTEGER NOT NULL REFERENCES Artist);
CREATE TABLE Employee(EmployeeId INTEGER NOT NULL PRIMARY KEY, LastName NVARCHAR(20) NOT NULL, FirstName NVARCHAR(20) NOT NULL,
  ReportsTo INTEGER REFERENCES Employee, Email NVARCHAR(60));
CREATE TABLE Customer(CustomerId INTEGER NOT NULL PRIMARY KEY, FirstName NVARCHAR(40) NOT NULL, LastName NVARCHAR(20) NOT NULL,
  Company NVARCHAR(80), City NVARCHAR(40), Country NVARCHAR(40), Phone NVARCHAR(24), Email NVARCHAR(60) NOT NULL,
  SupportRepId INTEGER REFERENCES Employee);
CREATE TABLE Genre(GenreId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE MediaType(MediaTypeId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE Track(TrackId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(200) NOT NULL, AlbumId INTEGER REFERENCES Album,
  MediaTypeId INTEGER NOT NULL REFERENCES MediaType, GenreId INTEGER REFERENCES Genre, Composer NVARCHAR(220),
  Milliseconds INTEGER NOT NULL, Bytes INTEGER, UnitPrice NUMERIC(10,2) NOT NULL);
CREATE TABLE Invoice(InvoiceId INTEGER NOT NULL PRIMARY KEY, CustomerId INTEGER NOT NULL REFERENCES Customer, InvoiceDate DATETIME NOT NULL,
  BillingCity NVARCHAR(40), BillingCountry NVARCHAR(40), Total NUMERIC(10,2) NOT NULL);
CREATE TABLE InvoiceLine(InvoiceLineId INTEGER NOT NULL PRIMARY KEY, InvoiceId INTEGER NOT NULL REFERENCES Invoice,
  TrackId INTEGER NOT NULL REFERENCES Track, UnitPrice NUMERIC(10,2) NOT NULL, Quantity INTEGER NOT NULL);
CREATE TABLE Playlist(PlaylistId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE PlaylistTrack(PlaylistId INTEGER NOT NULL REFERENCES Playlist, TrackId INTEGER NOT NULL REFERENCES Track,
  CONSTRAINT PK_PlaylistTrack PRIMARY KEY(PlaylistId, TrackId));
CREATE INDEX IFK_AlbumArtistId ON Album(ArtistId);
CREATE INDEX IFK_TrackAlbumId ON Track(AlbumId);
CREATE INDEX IFK_InvoiceLineInvoiceId ON InvoiceLine(InvoiceId);
CREATE INDEX IFK_PlaylistTrackTrackId ON PlaylistTrack(TrackId);
"""

# Additions that neither file has: a full-text index kept by triggers, and a unique index.
FULL_TEXT = """
CREATE VIRTUAL TABLE TrackText USING fts5(Name, Composer, content='Track', content_rowid='TrackId');
INSERT INTO TrackText(TrackText) VALUES('rebuild');
CREATE TRIGGER TrackText_ai AFTER INSERT ON Track BEGIN
  INSERT INTO TrackText(rowid, Name, Composer) VALUES(NEW.TrackId, NEW.Name, NEW.Composer); END;
CREATE TRIGGER TrackText_ad AFTER DELETE ON Track BEGIN
  INSERT INTO TrackText(TrackText, rowid, Name, Composer) VALUES('delete', OLD.TrackId, OLD.Name, OLD.Composer); END;
CREATE TRIGGER TrackText_au AFTER UPDATE OF TrackId, Name, Composer ON Track BEGIN
  INSERT INTO TrackText(TrackText, rowid, Name, Composer) VALUES('delete', OLD.TrackId, OLD.Name, OLD.Composer);
  INSERT INTO TrackText(rowid, Name, Composer) VALUES(NEW.TrackId, NEW.Name, NEW.Composer); END;
"""
UNIQUE_EMAIL = "CREATE UNIQUE INDEX CustomerEmail ON Customer(Email);"


def _fill(connection):
    dice = random.Random(1)
    def rows(table, count, make):
        connection.executemany(f"INSERT INTO {table} VALUES({', '.join('?' * len(make(1)))})", (make(i) for i in range(1, count + 1)))
    rows("Artist", 120, lambda i: (i, f"Artist Nº {i}"))
    rows("Album", 200, lambda i: (i, f"Album {i} – ‘live’", 1 + i * 7 % 120))
    rows("Employee", 8, lambda i: (i, f"Last{i}", f"First{i}", None if i == 1 else i // 2, f"e{i}@example.org"))
    rows("Customer", 59, lambda i: (i, f"Fn{i}", f"Ln{i}", None, "São Paulo", "Brazil", f"+55 {i}", f"c{i}@example.org", 1 + i % 8))
    rows("Genre", 25, lambda i: (i, f"Genre {i}"))
    rows("MediaType", 5, lambda i: (i, f"Media {i}"))
    rows("Track", 500, lambda i: (i, f"Track {i} {dice.choice(['love', 'blues', 'night'])}", 1 + i % 200, 1 + i % 5, 1 + i % 25,
                                   dice.choice([None, "Somebody"]), dice.randint(1000, 400000), dice.randint(10000, 9000000), 0.99))
    rows("Invoice", 200, lambda i: (i, 1 + i % 59, f"2013-01-{1 + i % 28:02} 00:00:00", "São Paulo", "Brazil", round(i * 0.33, 2)))
    rows("InvoiceLine", 500, lambda i: (i, 1 + i % 200, 1 + i % 500, 0.99, 1))
    rows("Playlist", 18, lambda i: (i, f"Playlist {i}"))
    rows("PlaylistTrack", 900, lambda i: (1 + i % 18, 1 + i % 500))


def make_autoincrement(path):
    """The store of our own, all its numbers handed out by sqlite_sequence."""
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA synchronous = off;" + SCHEMA.replace("INTEGER NOT NULL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"))
    with connection:
        _fill(connection)
    connection.close()


def make(path):
    """Puts the sample database at `path`."""
    if CHINOOK.exists():
        shutil.copyfile(CHINOOK, path)
        return
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA synchronous = off;" + SCHEMA)
    with connection:
        _fill(connection)
    connection.close()
