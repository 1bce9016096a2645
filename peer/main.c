/* sync-peer: keeps SQLite files in step over websockets. */
#include "commands.h"
#include "config.h"
#include "log.h"
#include "net.h"

int main(int argc, char **argv)
{
    peer_options options;
    int code;
    if (peer_command_run(argc, argv, &code)) {
        return peer_log_end(code);
    }
    if (peer_options_read(argc, argv, &options, &code)) {
        peer_log_init(options.json, options.quiet);
        if (options.config != NULL && options.config->log.given) {
            peer_log_shape(&options.config->log);
        }
        code = peer_net_run(&options);
    }
    peer_options_free(&options);
    return peer_log_end(code);
}
