/* Every bound of sync-peer in one place, each with its reason. Those of the engine and of one message: ext/limits.h. */
#ifndef PEER_LIMITS_H
#define PEER_LIMITS_H

/* Where `serve` listens unless told otherwise. */
#define PEER_HOST_DEFAULT "127.0.0.1"
#define PEER_PORT_DEFAULT 7420

/* The host of a wss:// URL: libwebsockets compares no more of it with a certificate (its buffer has 128 bytes). */
#define PEER_TLS_HOST_BYTES_MAX 127

/* Addresses that one process listens on. */
#define PEER_LISTEN_MAX 8

/* A room's name: a path segment that needs no escaping anywhere. */
#define PEER_ROOM_NAME_MAX 64

/* The first line of a request: a room's name has 64 bytes. */
#define PEER_REQUEST_BYTES_MAX 2048

/* The head of a request: libwebsockets keeps 4096 bytes of values, and names and other lines come on top. Each connection that has not sent all of its head
** holds as much. */
#define PEER_HEAD_BYTES_MAX 8192

/* By how much a head may grow when a token moves from one header to another: the name of that one. */
#define PEER_HEAD_SPARE_BYTES 64

/* The list of subprotocols: what libwebsockets takes at most. */
#define PEER_PROTOCOLS_BYTES_MAX 126

/* Links that a process takes, unless its configuration says otherwise. Each costs at most PEER_LINK_QUEUE_BYTES_MAX on the way in and
** PEER_WINDOW_BYTES on the way out. */
#define PEER_LINKS_MAX 256

/* Connections beside the links: that have not asked for an upgrade yet, or are being refused or closed. */
#define PEER_STRANGERS_MAX 704

/* Files that a room may have open: each connection three (PEER_READERS_MAX and two more), what wakes it, what watches the file. */
#define PEER_ROOM_FILES_MAX 40

/* URLs one process follows. */
#define PEER_FOLLOW_MAX 64

/* Links that a process makes because of its configuration: one for each open room would be few more. */
#define PEER_UPSTREAMS_MAX 1024

/* Addresses that links and upgrades are counted of: as many as may have links at the same time fit, and what it takes stays about 1 MiB. */
#define PEER_VISITORS_MAX 20480

/* Payload of Changes that may be on its way unacknowledged in one direction of one link: enough to keep a 100 Mbit line
** with 80 ms of round trip full, little enough for 256 links. */
#define PEER_WINDOW_BYTES (1u << 20)

/* What a Changes message weighs in that window beside its payload, so that tiny ones are bounded too. */
#define PEER_CHANGES_WEIGHT 256u

/* Messages of one link that have arrived and wait for the room's worker: the window, a StartStreaming of the
** largest size, and small ones. More is the other side's fault. */
#define PEER_LINK_QUEUE_BYTES_MAX (8u << 20)

/* Messages of one link that wait to be sent: the window, the largest schema, and what each side says it holds, several times. More has been
** asked for without reading the answers. */
#define PEER_LINK_OUT_BYTES_MAX (32u << 20)

/* What one link sends before it is the others' turn: several small frames, or one large one. */
#define PEER_TURN_BYTES (64u << 10)

/* Without one message taken for this long a link is let go: 256 KiB in that time is less than any line that is worth the name. */
#define PEER_READ_MS 30000

/* A part of a delta ends at the row that reaches either. Parts are merged whole, so they are the grain of PEER_MERGE_US; fewer than 100 rows
** compress worse (50: a fifth more bytes). */
#define PEER_PART_BYTES (64u << 10)
#define PEER_PART_ROWS  100u

/* Parts that have arrived are merged together in one transaction up to this many bytes, rows and parts: other programs wait for it. */
#define PEER_GATHER_BYTES (32u << 10)
#define PEER_GATHER_PARTS 64
#define PEER_MERGE_ROWS   250

/* ... and up to as many rows as are likely to take this long, after what a row took in the merges before: 5 ms is what a program should have
** to wait at most, and where two programs share a processor a merge is easily interrupted for as long as it takes itself. */
#define PEER_MERGE_US       2000
#define PEER_MERGE_ROWS_MIN 20 /* fewer would be mostly the transaction's own cost */
#define PEER_MERGE_MEMORY                                                                                    \
    4 /* merges that a change of pace takes to be believed: one that was interrupted is no change */

/* While another program writes steadily to the file, changes are gathered for this long before a merge: each one may cost that program a
** transaction that has read already, so they must be few. Longer, up to the second bound, where merges (and the folding of what that
** program has written) take long: they are to hold the lock for one part in PEER_GATHER_SHARE of the time. */
#define PEER_GATHER_MS     250
#define PEER_GATHER_MS_MAX 500
#define PEER_GATHER_SHARE  250
/* ... and the distance where more has come than one merge takes: the program has its turn, and a backlog still comes to its end. */
#define PEER_MERGE_GAP_MS 20
/* How long a write by another program counts as "while". */
#define PEER_NEIGHBOUR_MS 1000
/* Its commits in that time that make it steady. Somebody who answers by hand what has just arrived is not kept waiting for the next. */
#define PEER_STEADY_COMMITS 6

/* Deltas without rows that are set aside while another program writes, of one link; then they are merged, or memory would grow. */
#define PEER_ASIDE_MAX 64

/* A sync_seen() on the wire: 65536 sites (1 MiB of ids) with their numbers. */
#define PEER_SEEN_BYTES_MAX (4u << 20)

/* A schema on the wire: the largest that SQLite's own limit on one statement, 1 MB, makes likely. */
#define PEER_SCHEMA_BYTES_MAX (16u << 20)

/* A file of keys: a JWKS of some dozens. */
#define PEER_KEY_FILE_BYTES_MAX (64u << 10)

/* A token: what fits into the headers that libwebsockets takes (4096 bytes by default), beside the others. */
#define PEER_TOKEN_BYTES_MAX 3072

/* POST /login: the body. A name and a password with every byte escaped have 1 KiB. */
#define PEER_LOGIN_BODY_BYTES_MAX 2048

/* A password: as long as a sentence. crypt(3) takes 511 bytes. */
#define PEER_PASSWORD_BYTES_MAX 255

/* Logins that are being looked at, each on a thread of its own: yescrypt takes 16 MiB and 50 ms of a processor. */
#define PEER_LOGINS_MAX 4

/* ... and from the last byte of a request to its answer, when the table of users cannot be read or the machine is busy. */
#define PEER_LOGIN_MS 30000

/* How long a lock on the table of users is waited for. */
#define PEER_USERS_BUSY_MS 2000

/* Failed logins of one address, or of one user, that cost nothing: as often as people mistype. Each one more doubles the time until the next attempt, from the
** second value up to the third; one is forgotten after the fourth. */
#define PEER_LOGIN_FREE      5
#define PEER_LOGIN_MS_FIRST  1000
#define PEER_LOGIN_MS_MOST   60000
#define PEER_LOGIN_FORGET_MS 60000

/* What failed logins are counted in, for addresses, and as many for users: they are not counted apart where two fall into the same one, which of 100 that fail at
** a time one does. 24 bytes each. */
#define PEER_THROTTLE_SLOTS 8192

/* What a user may have in the columns room and rights: it has to fit into the cookie. */
#define PEER_USER_ROOMS_BYTES_MAX  1024
#define PEER_USER_RIGHTS_BYTES_MAX 32

/* The script that makes a room's tables: what people write by hand is far smaller. */
#define PEER_SCRIPT_BYTES_MAX (1u << 20)

/* Steps of SQLite's machine between two looks whether a script is to end: about a millisecond. */
#define PEER_SCRIPT_STEPS 10000

/* A script is followed when nobody has written to it for so long: editors and copies are done with a file of that size in less. */
#define PEER_SCRIPT_SETTLE_MS 1000

/* A part on the wire: one row may hold a value of SQLite's default length limit, 10^9 bytes. Memory grows with what
** has arrived, not with this. */
#define PEER_PART_BYTES_MAX (1100u << 20)

/* Connections to one file that read deltas at the same time; further links wait for one. */
#define PEER_READERS_MAX 8

/* Refusals in a row without a part accepted in between: then the two ends do not understand each other. */
#define PEER_REJECTS_MAX 5

/* A delta refused as too early is offered again after this. */
#define PEER_EARLY_RETRY_MS 10000

/* Without an Ack for this long a delta's snapshot is let go, so that the WAL can shrink; it is cut again when the
** other side answers. */
#define PEER_STALL_MS 60000

/* Silence after which a Ping is sent, and after which the link counts as dead. */
#define PEER_PING_MS 10000
#define PEER_DEAD_MS 30000

/* From an attempt to connect to the answer that opens the websocket, and from there to AnnouncePresence; also for the head of a request, and for the body of a login. */
#define PEER_HELLO_MS 10000

/* From a Ping or a hint of the file system to certainty: checks at growing distances, then the slow poll. */
#define PEER_DOUBT_US_MIN 200
#define PEER_DOUBT_US_MAX 200000
#define PEER_DOUBT_US_SUM 1000000

/* The same once a commit was seen: what was heard was most likely its own. What is heard of the next one is another hint, but where both were heard at once. */
#define PEER_DOUBT_US_SEEN 3200
#define PEER_SLOW_POLL_MS  5000

/* Reconnection: first delay, largest delay, and failures in a row after which --once and clone give up. */
#define PEER_BACKOFF_MS_MIN    100
#define PEER_BACKOFF_MS_MAX    30000
#define PEER_ONCE_FAILURES_MAX 5

/* How long a locked file is waited for: when it is opened, and before a warning while a merge waits for it. */
#define PEER_BUSY_MS 5000
/* Distance between two attempts to merge into a locked file. */
#define PEER_BUSY_RETRY_MS 50

/* The journal is folded for real after this long without a write by anybody, so that it disturbs nobody. */
#define PEER_QUIET_MS 1000

/* Journal entries that are folded for real in one transaction: a few milliseconds. */
#define PEER_FOLD_ENTRIES 1000

/* WAL pages after which a quiet moment is used for a checkpoint (SQLite's own default), and the distance between two that somebody who reads
** is in the way of. */
#define PEER_CHECKPOINT_PAGES    1000
#define PEER_CHECKPOINT_RETRY_MS 1000

/* SQLite's limits where a file's schema is a stranger's. Nothing of ours attaches a file, and no trigger may. */
#define PEER_SQL_ATTACHED_MAX 0
/* Helper threads for sorting: a room has one thread. */
#define PEER_SQL_WORKERS_MAX 0
/* As SQLite is compiled by default, whatever this one was compiled with: deeper ones need a stack to match, which a worker need not have, and schemas
** that fit elsewhere fit here. */
#define PEER_SQL_EXPR_DEPTH_MAX    1000
#define PEER_SQL_FUNCTION_ARGS_MAX 127
/* Cascades of foreign keys count too, and rows may hang on each other 1000 deep (SQLite's default). */
#define PEER_SQL_TRIGGER_DEPTH_MAX 1000
/* The time that LIKE and GLOB take grows with this times the text, within one step that nothing can end. People write dozens of bytes. */
#define PEER_SQL_LIKE_BYTES_MAX 1000

/* Steps of SQLite's machine between two looks at how long a statement takes: about a millisecond. */
#define PEER_GUARD_STEPS 100000
/* Statements that write and run within each other, of which each is timed: a merge's, and those of virtual tables that its triggers write to. */
#define PEER_GUARD_STATEMENTS 8

/* The largest file that is checked page by page when a process first opens it: a quarter of a second from a disk that reads 250 MB/s, a twentieth from memory. */
#define PEER_INSPECT_BYTES_MAX (64u << 20)
/* Files whose check is remembered, 24 bytes each. With more of them some are checked again. */
#define PEER_INSPECTED_MAX 4096

/* With less than this left a disk counts as full: SQLite writes a page at a time, of 64 KiB at most, and file systems keep something for themselves. */
#define PEER_DISK_FULL_BYTES (1 << 20)

/* Tables named in one line for people: as many as one reads. */
#define PEER_NAMES_MAX 20

/* Links that metrics tell of one by one; of more, only rooms and the process are told of. A series for each of 20000 links, which come and go, is more than
** who stores them wants. */
#define PEER_METRICS_LINKS_MAX 100

/* Answers with metrics that are on their way at once: each is held whole, about 300 KiB where 512 rooms are open, and who asks needs one. */
#define PEER_SCRAPES_MAX 4

/* Rooms that GET /rooms lists, and entries of the folder that it looks at for that: the network thread does it, some milliseconds. What is open comes first. */
#define PEER_ROSTER_ROOMS_MAX   1000
#define PEER_ROSTER_ENTRIES_MAX 10000

/* Members that GET /ROOM/users lists, here and at other peers: at most 600 KiB, and more than one reads. */
#define PEER_ROSTER_USERS_MAX 1000

/* A peer's name in such lists: as a room's. */
#define PEER_NAME_BYTES_MAX 64

/* Presence: members that a peer tells of, as many as are listed; the largest message of them has 72 KiB. */
#define PEER_PRESENCE_MEMBERS_MAX 1000

/* ... peers that a room knows members of, and what these are packed in: 64 with 1000 members each who have names of 10 bytes. Each time that a peer tells anew
** it is passed on over every link between peers. */
#define PEER_PRESENCE_PEERS_MAX 64
#define PEER_PRESENCE_BYTES_MAX (1u << 20)

/* What has changed is told at once, and then not again for so long: a thousand who join in a second make one message more. */
#define PEER_PRESENCE_GAP_MS 500

/* It is told again after the first, and not believed any more after the second: as silence is a Ping, and the end of a link. */
#define PEER_PRESENCE_RENEW_MS  10000
#define PEER_PRESENCE_EXPIRE_MS 30000

/* Answers with such lists that are on their way at once: each is held whole. They are counted apart from metrics, which who asks for these must not be in the way of. */
#define PEER_ROSTERS_MAX 16

/* The same notice on stderr where a configuration has `log`: so many times within so long. Who knocks a thousand times a second fills no disk, and twenty show what
** it is about. */
#define PEER_LOG_SAME_MAX 20
#define PEER_LOG_SAME_MS  60000

/* Notices that are told apart for that: there are some thirty in the sources. */
#define PEER_LOG_KINDS_MAX 64

/* What is shown of one that was left out: a line on a terminal. */
#define PEER_LOG_SAMPLE_BYTES 160

/* verify: blocks that the keys of a table fall into, 16 bytes for each of both files. A table of 64 million rows has 1000 in a block; more make blocks
** larger, and then more is read a second time where files differ. */
#define PEER_VERIFY_BLOCKS 65536u

/* verify: differences of one table that are listed unless --limit says otherwise: as many as one reads. */
#define PEER_VERIFY_SHOWN 20

/* verify: bytes of a value that are shown to people, and to programs; the rest is in the files. */
#define PEER_VERIFY_VALUE_BYTES      60
#define PEER_VERIFY_VALUE_BYTES_JSON 4096

/* snapshot: pages that are copied between two looks for a signal: some milliseconds. */
#define PEER_SNAPSHOT_PAGES 1000

/* snapshot: attempts to find a moment at which everything is folded. Each takes a fold; a program would have to write between each of them and the
** look that follows at once. */
#define PEER_SNAPSHOT_ATTEMPTS 50

/* Bytes of a snapshot in one message: with its fields they stay below SYNC_FRAME_BYTES_MAX. */
#define PEER_SNAPSHOT_CHUNK_BYTES (248u << 10)

/* Compressed they travel only if that spares this part of them: less is not worth the other side's time. */
#define PEER_SNAPSHOT_SPARES 8

/* zstd's level for that: it is faster than libwebsockets takes messages in. */
#define PEER_SNAPSHOT_ZSTD_LEVEL 1

/* Copies of files for snapshots that a process has at the same time, each of which takes as much of the disk as the file; one for a room. And those that are being
** made: each takes the disk's time, and a processor's. Who finds them taken gets everything by deltas. */
#define PEER_SNAPSHOTS_MAX      8
#define PEER_SNAPSHOTS_MADE_MAX 2

/* How long a copy is kept for who lost the connection, after somebody has taken from it last, and how old it may be for somebody who begins; at this age
** it goes, whoever reads it. */
#define PEER_SNAPSHOT_KEEP_MS  60000
#define PEER_SNAPSHOT_FRESH_MS 60000
#define PEER_SNAPSHOT_OLD_MS   3600000

/* What a disk must have left beyond a snapshot, on either side: others write there too. */
#define PEER_SNAPSHOT_SPARE_BYTES (64 << 20)

/* How long a room of a configuration whose file is not there waits for a server that may have a snapshot of it, before it is made without: less than PEER_HELLO_MS, in which its
** members want to be greeted. And for one that had begun to send it. */
#define PEER_SNAPSHOT_WAIT_MS  2000
#define PEER_SNAPSHOT_BREAK_MS 30000

/* The largest snapshot: what SQLite's largest file has, so that sums of sizes fit. */
#define PEER_SNAPSHOT_BYTES_MAX ((int64_t)1 << 48)

/* token: how long one is good unless told otherwise, and at most: ten years. */
#define PEER_TOKEN_SECONDS     3600
#define PEER_TOKEN_SECONDS_MAX 315360000

/* rooms, status: the longest answer that is read: PEER_ROSTER_ROOMS_MAX rooms are 200 KiB. */
#define PEER_ANSWER_BYTES_MAX (1u << 20)

/* ... and from the attempt to its end, and between two looks for a signal. */
#define PEER_ANSWER_MS      15000
#define PEER_ANSWER_TICK_MS 100

/* status --watch: from one answer to the next question: people see changes, and upgradesPerMinute is rarely less than 30. */
#define PEER_WATCH_MS 2000

/* Time for closing handshakes when the process ends. */
#define PEER_CLOSE_MS 1000

#endif
