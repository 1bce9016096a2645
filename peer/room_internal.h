/* What the parts of a room's worker share: the room, its links, and what each part does for the others. Worker's thread only. */
#ifndef PEER_ROOM_INTERNAL_H
#define PEER_ROOM_INTERNAL_H

#include "database.h"
#include "message.h"
#include "pace.h"
#include "peer_limits.h"
#include "room.h"
#include "ruling.h"
#include "sync_ext.h"
#include "watch.h"

#include <pthread.h>

/* A message that comes in pieces. */
typedef struct peer_assembly {
    sync_buf payload;
    sync_frame fields; /* of its latest piece; type 0: nothing is being assembled */
} peer_assembly;

/* What the other side refused of this file's changes, as it says. */
typedef struct peer_report {
    struct peer_report *next;
    uint64_t number; /* theirs, for the answer */
    char *text;
    sync_buf rows;
} peer_report;

/* One link as the worker sees it. Made by PEER_LINK_UP, freed by PEER_LINK_DOWN. */
typedef struct peer_link {
    struct peer_link *next, **from; /* what points to it */
    uint64_t id;
    char *name;        /* for people */
    char *tables;      /* the only ones that are exchanged over it; NULL: all */
    sync_buf concerns; /* then: of what is held here, what concerns these */
    bool closing;      /* the network was asked to close it: nothing more is read or sent */
    bool done;         /* --once: both sides hold the same */
    bool takes;        /* changes of theirs: they may write here, and we read there */
    bool gives;        /* the other way round */
    bool snapshots;    /* of theirs may be asked for */
    bool follows;      /* they may send what is for a primary */
    bool leads;        /* it is the link to the primary, which takes that from here */
    bool told_seen;    /* StartStreaming was sent */
    bool told_schema;
    bool told_tables; /* CreateDbOnPrimary was sent */
    bool told_snapshot;

    peer_ruling *ruling;  /* the room's rules for rows bind the other side; NULL: they do not */
    peer_report *reports; /* came, and are not noted yet */

    /* a snapshot for them (offering.c) */
    bool offered;         /* ... is to be sent, once it is made */
    bool offer_begun;     /* ... and is: offer_at is about this one */
    uint8_t offer_id[16]; /* which they have some of */
    uint64_t offer_at;    /* how much; what is sent next */
    bool barren;          /* one of theirs was asked for, and there is none */

    /* incoming */
    peer_assembly changes; /* its pieces come as the window allows, other messages in between */
    peer_assembly applied; /* the same */
    peer_assembly other;
    uint64_t in_stream; /* delta that is coming in, or came last */
    uint64_t in_parts;  /* parts of it that came */
    uint64_t in_merged; /* parts of it that are merged */
    bool in_ended;      /* its last part came */
    uint64_t refused;   /* deltas up to this one are dropped */
    bool
        void_word; /* the last part of one of those came: what the sender says behind it took it for merged */
    bool
        in_delta; /* part of a delta is here, and the other side has not yet said what it holds: cut nothing for it,
                            ** it would get back what it sends */
    uint64_t in_left,
        in_most;        /* what comes behind the parts of this delta that are merged, behind its first one */
    uint64_t in_weight; /* of Changes consumed: put together, merged or dropped */
    bool ack_due;
    struct peer_part *
        aside; /* hollow deltas, acknowledged, merged before the next other one: a crash loses only a cursor */
    int asides;
    uint64_t forward_stream,
        forward_number;  /* the delta that was forwarded last, here and on the link to the primary */
    bool held;           /* the primary lacks something that this file has: what comes is not forwarded ... */
    uint64_t held_until; /* ... before that delta of ours is merged there */

    /* outgoing */
    bool asked;       /* `theirs` is known */
    bool put_off;     /* it has refused, since its primary is away: it asks when that is back */
    sync_buf theirs;  /* what the other side holds for certain: its sync_seen(); empty: it tracks nothing */
    bool unheard;     /* the file does not know yet: it is told in quiet moments, and when the link ends */
    sync_buf implied; /* ... and will hold when it has merged the delta that is out */
    bool dirty;       /* there may be something for it */
    bool told;        /* it knows that we had nothing more */
    bool out_delta;   /* a delta is being sent, or not wholly merged over there */
    uint64_t out_number;         /* of the last delta sent, forwarded ones included */
    uint64_t out_stream;         /* of the last one that was cut here */
    uint64_t out_parts;          /* sent */
    uint64_t out_acked;          /* ... and acknowledged */
    uint64_t out_rows;           /* sent, of the open stream */
    int64_t out_began_ms;        /* when what is not acknowledged yet was first sent; 0: nothing is */
    peer_lag *lag;               /* what others may know of that; shared with the network */
    uint64_t out_left, out_most; /* as in_left */
    peer_reader *reader;         /* of the open stream */
    sync_stream *stream;
    const uint8_t *part; /* being sent; borrowed from the stream. NULL: the next one is due */
    size_t part_bytes;
    size_t part_at;
    int part_last;
    uint64_t out_weight; /* of Changes sent */
    uint64_t out_weight_acked;
    int64_t retry_ms; /* no cut before this */
    int64_t heard_ms; /* an Ack came, or the delta was begun */
    int rejects;
    uint32_t misfits; /* tables that differ in key or identity */
    bool caught_up;   /* it has nothing more, and holds all that was sent to it */
} peer_link;

/* Where a part is on its way to the primary. */
typedef enum peer_forward { PEER_FORWARD_WAITS, PEER_FORWARD_LEAVES, PEER_FORWARD_SENT } peer_forward;

/* Something complete that came and waits for the next merge, or, in a room with a primary, for that one's answer before. */
typedef struct peer_part {
    struct peer_part *next;
    peer_link *link;       /* NULL: gone, while it was being sent to the primary */
    peer_message *message; /* holds the payload of a message in one piece */
    sync_buf whole;        /* ... or of one in several */
    sync_changes_kind kind;
    uint64_t stream, part, left;
    bool early; /* when it came, a delta of ours was not wholly merged over there: ... */
    uint64_t
        answers; /* ... it is about what was there after the delta before that, as it is about none that was begun since */
    uint64_t weight;        /* of its last piece: counts as consumed when the part has been dealt with */
    int rows;               /* -1: not counted */
    sync_incoming incoming; /* while it is merged, and how many rows that changed */
    int result;             /* of its merge */
    int64_t left_out;       /* rows that its author may not write */
    bool blind;             /* its author keeps a row that he may not see any more */
    char *error;            /* sqlite3_malloc'd */
    bool applied;           /* it came as ApplyChangesOnPrimary */
    bool dropped;           /* refused alone */
    peer_forward forward;
    uint64_t number; /* of its delta there, once it is sent */
    bool again;      /* the primary has refused it once, as it presumes too much */
} peer_part;

/* What others are given of this file before they have one: offering.c. */
typedef struct peer_offer peer_offer;

/* What has come of another file before this one is there: taking.c. */
typedef struct peer_taking peer_taking;

/* A script as it was when it was last followed. */
typedef struct peer_script_stamp {
    dev_t device;
    ino_t inode;
    off_t bytes;
    time_t s; /* since 1970, when it was written */
    long ns;
} peer_script_stamp;

struct peer_room {
    const peer_options *options;
    peer_queue *network;
    void *about;           /* the network's, in messages about the room */
    peer_metrics *metrics; /* borrowed */
    peer_queue *inbox;
    int event_fd;
    _Atomic bool stopping;
    pthread_t thread;

    peer_failure failure; /* set: the worker ends */
    bool ended;
    bool awaited;  /* the network was told that the file is not there yet, and waits for PEER_ROOM_READY */
    bool open;     /* database is open */
    bool created;  /* ... and was made by this clone */
    bool leftover; /* ... and FILE.left-out.sql beside it */
    bool finished; /* --once: some link has done all it had to */
    peer_database database;
    peer_offer *offer;   /* NULL: nobody wants any */
    peer_taking *taking; /* NULL: the file is there, or is made without */
    peer_watch *watch;
    peer_link *links;
    peer_link **slots; /* where they are found by the low half of their ids */
    size_t slot_count;
    peer_part *parts; /* in order of arrival */
    peer_part **parts_end;

    bool forwards;      /* there is a primary: what others send takes effect there first */
    peer_link *primary; /* the link to it; NULL: there is none now */
    char *away;         /* why it takes nothing; NULL: it does, or that is not known yet */
    peer_part *forward; /* what is to be answered by it, in order of arrival */
    peer_part **forward_end;
    peer_part *leaving; /* one of these, which is being sent, ... */
    size_t leaving_at;  /* ... so many bytes of it so far */
    bool owes;          /* another program has committed since the primary held all of this file */
    sync_buf told;      /* what members are told that is held here, while told_fresh */
    bool told_fresh;

    sync_buf seen; /* sync_seen(), valid while seen_fresh */
    bool seen_fresh;
    char *strangers; /* the last notice about tables that only one side tracks; NULL: none */
    int64_t data_version;
    int64_t schema_version;
    peer_script_stamp script;
    bool script_waits;  /* it could not be followed yet, which has been said */
    int64_t doubt_us;   /* distance to the next check; 0: no doubt */
    int64_t doubt_sum;  /* of the distances since the last hint */
    int64_t check_us;   /* when that check is due */
    int64_t checked_us; /* when the last one was */
    int64_t foreign_ms; /* last commit by another program */
    int64_t foreign_before_ms[PEER_STEADY_COMMITS - 1]; /* those before it, newest first */
    int64_t steady_ms; /* last time that another program was found to write steadily */
    bool unfolded;     /* there was one since the last fold */
    int64_t merge_ms;  /* no merge before this */
    peer_pace pace;    /* of merges */
    int64_t busy_ms;   /* since when merges find the file locked; 0: they do not */
    int64_t received_bytes, received_rows, sent_bytes; /* for the progress line */
    int percent;
};

/* ---- room.c */

/* Sends one frame; payload larger than a frame goes in pieces. */
void peer_room_send(peer_room *r, peer_link *l, const sync_frame *frame);

/* Ends a link: Error{code, text} and a close. `exit`: what it means for a process that has no other link. */
void peer_room_close_link(peer_room *r, peer_link *l, int code, int exit, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The current sync_seen() in r->seen. Where the file holds less than before, or tracks other tables, every link hears it. False: the room has
** failed. */
bool peer_room_seen(peer_room *r);

/* What the other side of the link is told that is held here, after peer_room_seen; borrowed until that changes. */
const sync_buf *peer_room_told(peer_room *r, peer_link *l);

/* The schema moved: new tables to adopt, or another set of tracked tables. */
void peer_room_schema_changed(peer_room *r);

/* Brings the tables to what the room's script says, if it has changed (evolve.c). What cannot be done is said once. False: to be tried again soon. */
bool peer_room_follow_script(peer_room *r);

/* StartStreaming, where that side may give something. */
void peer_room_ask(peer_room *r, peer_link *l);

/* ---- foreign.c */

/* The file system hints at a write. It may be heard before the commit can be seen, so the question is asked again at growing distances (peer_foreign_check, at r->check_us)
** until it is clear that nothing comes. */
void peer_foreign_hint(peer_room *r, int64_t now_us);
void peer_foreign_check(peer_room *r, int64_t now_us);

/* ---- incoming.c */

void peer_incoming_frame(peer_room *r, peer_link *l, peer_message *m); /* takes m */

void peer_incoming_forget(peer_room *r, peer_link *l); /* drops what waits for a link that is gone */

/* ---- merging.c */

/* Merges some of what has come, in one transaction of bounded size. True: there is more to do at once. */
bool peer_merging_step(peer_room *r, int64_t now_ms);
void peer_merging_aside(peer_room *r);             /* what was set aside, in a quiet moment */
void peer_merging_drop_aside(peer_link *l);        /* without merging it */
void peer_merging_ack(peer_room *r, peer_link *l); /* what has been consumed so far */
void peer_part_free(peer_part *p);

bool peer_part_wanted(const peer_part *p);        /* false: its link ends, or its delta was refused */
void peer_part_queue(peer_room *r, peer_part *p); /* for the next merge; takes p */
const void *peer_part_data(const peer_part *p, size_t *bytes); /* borrowed */

/* ---- refusing.c */

/* Refuses the delta of which this is a part: nothing of it is merged from now on, and it comes again as `reason` says, cut for who holds `seen`; NULL: what this
** file does. */
void peer_refusing_delta(peer_room *r, const peer_part *p, sync_reject_reason reason, const char *text,
                         const sync_buf *seen);

/* Something is wrong with a part. Its link ends; one to a follower goes on, which ends the link that the part came over. */
void peer_refusing_part(peer_room *r, const peer_part *p, sync_peer_error code, int exit, const char *text);

/* Its merge has failed, for reasons that lie in the bytes or in this file: one of the two, or the room has failed. */
void peer_refusing_failed(peer_room *r, const peer_part *p);

/* ---- forwarding.c: what members send, to the primary and its answers back; in rooms without a primary nothing happens */

/* Takes a part that has come over some link, if it is to go to the primary first. False: it is still the caller's. */
bool peer_forwarding_take(peer_room *r, peer_part *p);
void peer_forwarding_up(peer_room *r, peer_link *l,
                        bool takes); /* the link to the primary is up: does it take that from here? */
void peer_forwarding_down(peer_room *r, peer_link *l);               /* any link is gone */
void peer_forwarding_met(peer_room *r);                              /* the primary has said what it holds */
void peer_forwarding_away(peer_room *r, const char *why);            /* it takes nothing */
void peer_forwarding_acked(peer_room *r, const sync_frame_ack *ack); /* by it */

/* It refuses a delta. False: none that was forwarded, or its stream is not known any more. */
bool peer_forwarding_rejected(peer_room *r, const sync_frame *frame, const sync_buf *theirs);

/* What the other side of a link is told that is held here, when peer_room_seen has been asked; borrowed until that changes. The clock of a file runs on with what
** comes, and a primary that lacks no row of it need not know; members that are told of it would presume that it did. */
const sync_buf *peer_forwarding_seen(peer_room *r, const peer_link *l);

/* Sends what may be sent now. True: there is more to do at once. */
bool peer_forwarding_pump(peer_room *r);
void peer_forwarding_end(peer_room *r); /* when no link is left: frees */

/* ---- refusals.c */

/* Tells the other side the next of what was refused of its changes, on a link that rules bind. */
void peer_refusals_tell(peer_room *r, peer_link *l);
void peer_refusals_known(peer_room *r, peer_link *l, uint64_t report); /* it says that it knows */

/* After a merge, in a room that has rules for rows: no row stays held for its number. */
void peer_refusals_renumber(peer_room *r);

/* The other side has told so. Copies. */
void peer_refusals_take(peer_link *l, uint64_t report, const char *text, size_t text_bytes,
                        const sync_buf *payload);
void peer_report_free(peer_report *report);

/* Notes all that was told in sync_conflict. False: the file is locked just now. */
bool peer_refusals_note(peer_room *r);

/* ---- outgoing.c */

void peer_outgoing_start(peer_room *r, peer_link *l, const sync_buf *theirs); /* StartStreaming */
void peer_outgoing_refuse(peer_room *r, peer_link *l);                        /* who asks may not read */
void peer_outgoing_reject(peer_room *r, peer_link *l, const sync_frame *frame, const sync_buf *theirs);
void peer_outgoing_ack(peer_room *r, peer_link *l, const sync_frame *frame);
void peer_outgoing_learn(peer_room *r, peer_link *l, const sync_buf *theirs); /* it holds this too */
bool peer_outgoing_room(const peer_link *l, size_t bytes); /* does the window have room for a piece? */
void peer_outgoing_dirty(peer_room *r);                    /* there may be something for everybody */

/* Cuts and sends what may be sent now. True: there is more to do at once. */
bool peer_outgoing_pump(peer_room *r, int64_t now_ms);
void peer_outgoing_end(peer_link *l); /* lets go of the stream */

/* The file is there now and open: opens up the room. False: the room has failed. */
bool peer_room_adopt(peer_room *r);

/* Makes the file that is not there as the room's options say, and opens up the room. False: the room has failed. */
bool peer_room_found(peer_room *r);

/* ---- counting.c */

/* peer_database_fold, timed. */
int peer_counting_fold(peer_room *r, bool *more);

/* peer_database_checkpoint; how long the log is then is noted. */
void peer_counting_checkpoint(peer_room *r);

/* A part of the open stream has been sent whole. */
void peer_counting_rows_sent(peer_room *r, peer_link *l);

/* --once: shows how far it is. */
void peer_counting_progress(peer_room *r, bool done);

/* Notes how far the other side is behind, as the link's fields stand. */
void peer_counting_lag(peer_link *l);

/* ---- finishing.c */

/* --once: tells the network if this link has nothing left to do. */
void peer_finishing_check(peer_room *r, peer_link *l);

/* ---- offering.c */

/* SnapshotRequest, of who may read here. There is none for who is bound by rules for rows. */
void peer_offer_begin(peer_room *r, peer_link *l, const sync_frame_snapshot_request *request);

/* Sends what may be sent now. True: there is more to do at once. */
bool peer_offer_pump(peer_room *r, int64_t now_ms);
int64_t peer_offer_due_ms(const peer_room *r); /* when something is due by itself; INT64_MAX: nothing is */
void peer_offer_end(peer_room *r); /* lets go of the copy, if there is one; nobody may be sent more of it */

/* ---- taking.c */

/* Is the file to be made of what others have: there is none, or one without a byte, and there are URLs that are followed? */
bool peer_taking_may(const peer_options *o);

/* Gets ready to take a snapshot; what came of one before is gone on with. False: the room has failed. */
bool peer_taking_begin(peer_room *r);

/* A link is up: asks it, if nobody is asked. */
void peer_taking_link(peer_room *r, peer_link *l);

/* A link is down: asks another one. */
void peer_taking_lost(peer_room *r, const peer_link *l);

/* A server that is followed cannot be reached. */
void peer_taking_unreachable(peer_room *r);

void peer_taking_frame(peer_room *r, peer_link *l, const sync_frame *frame); /* Snapshot */

/* Nothing is taken any more. What has come stays for another time, unless it is `done` with. Fine where nothing was taken. */
void peer_taking_end(peer_room *r, bool done);

/* The file is there: what came of a snapshot for it before, and was never done, goes. */
void peer_taking_sweep(const char *file);

/* When the file is to be made without, since nobody has been there who could be asked; INT64_MAX: never. */
int64_t peer_taking_due_ms(const peer_room *r);

/* About how many bytes are still to come, and of how many. */
double peer_taking_left(const peer_room *r, double *all);

/* ---- cloning.c: a room's schema, for the other side and from it */

void peer_schema_send(peer_room *r, peer_link *l);
void peer_schema_receive(peer_room *r, peer_link *l, const sync_buf *schema); /* of a clone: makes the file */
/* Makes a copy of another file at the path `copy` one of this room's own (clone.h), which nobody else has open: pages looked at, views and triggers that do not work here
** left out. SYNC_OK; SYNC_CORRUPT: it is none; SYNC_FORMAT; or another code with an error. What is wrong is not said. */
int peer_schema_adopt(peer_room *r, const char *copy, const sync_buf *schema, sync_error *error);
bool peer_schema_ask(peer_room *r, peer_link *l); /* CreateDbOnPrimary; false: not (again) */
void peer_schema_found(peer_room *r, peer_link *l, const sync_buf *schema); /* a follower asks for that */
bool peer_schema_may_clone(const peer_options *o, peer_failure *f); /* false: something is there already */
void peer_schema_undo(peer_room *r); /* removes the file of a clone that did not come to its end */

#endif
