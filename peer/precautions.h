/* What should be known before files of strangers are served. Network thread, before anything is listened on. */
#ifndef PEER_PRECAUTIONS_H
#define PEER_PRECAUTIONS_H

/* Says it, a line each: what the SQLite library is known to do wrong, and that others may write to the folder. */
void peer_precautions_say(const char *folder);

#endif
