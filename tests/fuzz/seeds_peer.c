#include "seeds.h"

#include <stdio.h>
#include <string.h>

#define SPLIT "<SPLIT>"

static void put_texts(const char *target, int first, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        fuzz_put(target, first, *texts, strlen(*texts));
    }
}

static void put_configs(void)
{
    static const char *const configs[] = {
        "{\"dbFolder\": \"rooms\"}",
        "{\"dbFolder\": \"rooms\", \"schemaFolder\": \"schemas\", \"create\": true, \"migrate\": "
        "\"destructive\","
        " \"listen\": [\"127.0.0.1:0\", \"[::1]:7420\"], \"metrics\": {\"listen\": \"[::1]:9100\"},"
        " \"log\": {\"format\": \"json\", \"level\": \"event\"}}",
        "{\"dbFolder\": \"rooms\", \"metrics\": true, \"rooms\": ["
        "{\"name\": \"garden\", \"serve\": false},"
        "{\"name\": \"a*\", \"memory\": true, \"track\": \"all\", \"rights\": [\"read\"]},"
        "{\"name\": \"notes-*\", \"create\": true, \"schema\": \"notes.sql\", \"track\": [\"note\", \"a "
        "\\\"b\\\"\"],"
        " \"keepJournalMode\": true, \"migrate\": \"none\", \"limits\": {\"maxBytes\": 1048576, "
        "\"maxMembers\": 2}}]}",
        "{\"dbFolder\": \"rooms\", \"limits\": {\"openRooms\": 512, \"links\": 20000, \"linksPerAddress\": "
        "20000,"
        " \"upgradesPerMinute\": 100000, \"idleSeconds\": 86400, \"statementSeconds\": 86400,"
        " \"maxBytes\": 281474976710656, \"maxMembers\": 20000}}",
        "{\"dbFolder\": \"rooms\", \"links\": [{\"rooms\": \"*\", \"url\": \"wss://example.org/*\", "
        "\"open\": true,"
        " \"tokenFile\": \"token\", \"tables\": [\"a\", \"b\"], \"rights\": [\"read\", \"write\"]}, "
        "{\"rooms\": \"garden\","
        " \"url\": \"ws://[::1]:7420/yard\", \"open\": true,"
        " \"pin\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}]}",
        "{\"dbFolder\": \"rooms\", \"primary\": \"wss://example.org/*\", \"links\": [{\"rooms\": \"a\","
        " \"url\": \"ws://b/c\"}]}",
        "{\"dbFolder\": \"rooms\", \"primary\": {\"url\": \"ws://[::1]:7420/yard\", \"rooms\": \"g*\", "
        "\"open\": "
        "true, \"tokenFile\": \"token\","
        " \"pin\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}}",
        "{\"dbFolder\": \"rooms\", \"auth\": {\"hosts\": [\"example.org\"], \"origins\": "
        "[\"https://example.org\"],"
        " \"jwt\": {\"algorithm\": \"HS256\", \"keyFile\": \"key\", \"audience\": \"sync\", \"issuer\": "
        "\"us\","
        " \"leewaySeconds\": 30}}}",
        "{\"dbFolder\": \"rooms\", \"tls\": {\"certFile\": \"cert\", \"keyFile\": \"key\"}, \"caFile\": "
        "\"ca\","
        " \"clientCertFile\": \"c\", \"clientKeyFile\": \"k\", \"auth\": {\"certificates\": {\"caFile\": "
        "\"ca\","
        " \"members\": [{\"name\": \"ann*\", \"rooms\": \"*\", \"rights\": [\"write\"]}]}}}",
        "{\"dbFolder\": \"rooms\"}" SPLIT
        "{\"dbFolder\": \"schemas\", \"rooms\": [{\"name\": \"garden\", \"memory\": true}]}",
        "{\"dbFolder\": \"rooms\", \"auth\": {\"jwt\": {\"algorithm\": \"HS256\", \"keyFile\": \"key\", "
        "\"audience\": \"a\"}}}" SPLIT "{\"dbFolder\": \"rooms\", \"limits\": {\"links\": 300}, \"auth\": "
        "{\"jwt\": {\"algorithm\": \"HS256\","
        " \"keyFile\": \"key\", \"audience\": [\"b\"]}}}",
        "{\"dbFolder\": \"rooms\", \"dbFolder\": \"rooms\"}",
        "{\"dbFolder\": \"ro\\u0000oms\", \"listen\": 1e3}",
        NULL};
    put_texts("config", -1, configs);
}

static void put_keys(void)
{
    static const char *const secrets[] = {"a secret of at least thirty-two bytes\n",
                                          "a secret of 31 bytes exactly...", NULL};
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELGhT81iZEr3L5++5It7NbqDsaRH0\n"
                              "U1boicEZ/Of5R6yix2Ukeh84iiXh5y2R9eoS38jf1m+LpuGf4Wlwsvt/Ug==\n"
                              "-----END PUBLIC KEY-----\n";
    static const char ec[] = "{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"use\": \"sig\", \"alg\": "
                             "\"ES256\", \"kid\": \"first\","
                             " \"x\": \"LGhT81iZEr3L5--5It7NbqDsaRH0U1boicEZ_Of5R6w\", \"y\": "
                             "\"osdlJHofOIol4ectkfXqEt_I39Zvi6bhn-FpcLL7f1I\"},"
                             " {\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}";
    char rsa[600], n[342 + 1];
    memset(n, 'x', sizeof n - 1);
    n[sizeof n - 1] = 0;
    int bytes =
        snprintf(rsa, sizeof rsa,
                 "{\"keys\": [{\"kty\": \"RSA\", \"kid\": \"a\", \"n\": \"%s\", \"e\": \"AQAB\"}]}", n);
    put_texts("keys", 0, secrets);
    fuzz_put("keys", 1, rsa, (size_t)bytes);
    for (int way = 1; way < 4; way++) {
        fuzz_put("keys", way, pem, sizeof pem - 1);
        fuzz_put("keys", way, ec, sizeof ec - 1);
    }
    put_texts("keys", 3, secrets);
    put_texts("keys", 4,
              (const char *const[]){"QUJD", "QUI", "QQ", "LGhT81iZEr3L5--5It7NbqDsaRH0U1boicEZ_Of5R6w",
                                    "T-NC4v4_", NULL});
}

/* Header, NUL, claims, as fuzz_token has it; each algorithm with its own key and with another one. */
static void put_tokens(void)
{
    static const char *const algorithms[] = {"HS256", "RS256", "ES256", "none"};
    static const char *const claims[] = {
        "\"room\":\"garden\",\"rights\":[\"read\",\"write\"],\"nbf\":1700000000,\"exp\":1700003600",
        "\"room\":[\"x\",\"g*d*n\"],\"rights\":\"admin\",\"nbf\":1700000030,\"exp\":1699999971,\"iat\":0",
        "\"room\":\"*\",\"rights\":[\"read\"],\"nbf\":-1,\"exp\":9223372036854775807",
        "\"room\":\"garden\",\"rights\":\"read\",\"nbf\":1700000031,\"exp\":1700003600",
        "\"room\":\"garden\",\"rights\":\"read\",\"nbf\":0,\"exp\":1699999970",
        NULL};
    char text[600];
    for (int algorithm = 0; algorithm < 3; algorithm++) {
        for (int name = 0; name < 4; name++) {
            for (int i = 0; claims[i] != NULL; i++) {
                int bytes = snprintf(text, sizeof text,
                                     "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"first\"}!{\"sub\":\"ann\","
                                     "\"aud\":[\"sync\"],\"iss\":\"us\",%s}",
                                     algorithms[name], claims[i]);
                *strchr(text, '!') = 0;
                fuzz_put("token", algorithm, text, (size_t)bytes);
                if (i == 0) {
                    fuzz_put("token", algorithm | 8, text, (size_t)bytes);
                    fuzz_put("token", algorithm | 16, text, (size_t)bytes);
                }
            }
        }
        static const char critical[] =
            "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}\0{\"sub\":\"ann\",\"aud\":\"sync\","
            "\"room\":\"*\",\"rights\":\"read\",\"nbf\":0,\"exp\":1700003600}";
        fuzz_put("token", algorithm, critical, sizeof critical - 1);
        static const char raw[] =
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJhdWQiOiJzeW5jIiwicm9vbSI6IioiLCJyaWdodHMiOiJyZWFkIn0.";
        fuzz_put("token", algorithm | 4, raw, sizeof raw - 1);
    }
}

static void put_urls(void)
{
    static const char *const texts[] = {"ws://localhost:7420/room",
                                        "wss://example.org/r",
                                        "ws://[::1]:1/a-b_c9",
                                        "ws://[fe80::1]/x",
                                        "wss://u@h:65535/x",
                                        "127.0.0.1:7420",
                                        "[::1]:0",
                                        "folder/.hidden/Garden 2.db",
                                        "..a.sqlite",
                                        NULL};
    static const char fits[] = "g*d*n\0garden", too[] = "*-**a\0b-aab-a";
    put_texts("url", -1, texts);
    fuzz_put("url", -1, fits, sizeof fits - 1);
    fuzz_put("url", -1, too, sizeof too - 1);
}

/* Who may join, where the bytes are cut, and the bytes: as fuzz_request has it. */
static void put_requests(void)
{
    static const char rest[] =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sync.v1\r\n";
    static const struct {
        int who;
        const char *line, *headers;
    } requests[] = {
        {0, "GET /garden", "Host: sync.test\r\n"},
        {0, "GET /garden", "Host: sync.test\r\nOrigin: https://app.test\r\n"},
        {0, "GET //garden", "Host: sync.test\r\n"},
        {0, "GET /%67arden", "Host: sync.test\r\n"},
        {0, "GET /x/../garden?a=b#c", "Host: sync.test\r\nCookie: a=b; c=d\r\n"},
        {0, "POST /garden", "Host: sync.test\r\nContent-Length: 0\r\n"},
        {0, "GET /healthz", "Host: sync.test\r\n"},
        {12, "GET /garden", "Host: sync.test:7420\r\nAuthorization: Bearer <TOKEN>\r\n"},
        {12, "GET /garden",
         "Host: sync.test\r\nOrigin: http://sync.test\r\nAuthorization: Bearer <TOKEN>\r\n"},
        {13, "GET /garden", "Host: sync.test:7420\r\nAuthorization: bearer <TOKEN>\r\n"},
        {13, "GET /garden", "Host: 127.0.0.1:7420\r\nAuthorization: Bearer <TOKEN>\r\n"},
        {15, "GET /garden",
         "Host: sync.test\r\nOrigin: https://app.test\r\nAuthorization: Bearer <TOKEN>\r\nCookie: a=b\r\n"},
        {15, "GET /garden",
         "Host: sync.test\r\nOrigin: https://app.test\r\nOrigin: https://x\r\nAuthorization: Bearer "
         "<TOKEN>\r\n"},
        {14, "GET /garden",
         "Host: sync.test\r\nOrigin: http://sync.test\r\nAuthorization: Bearer <TOKEN>\r\n"},
        {12, "GET /garden", "Host: sync.test\r\nSec-WebSocket-Protocol: bearer.<TOKEN>\r\n"},
        {12, "GET /garden?token=x", "Host: sync.test\r\n"},
        {12, "POST /login", "Host: sync.test\r\nContent-Length: 15\r\n"},
        {8, "GET /garden", "Host: sync.test\r\n"}};
    char text[800];
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int bytes = snprintf(text, sizeof text, "%c%s HTTP/1.1\r\n%s%s\r\n", i % 3 == 0 ? 5 : 255,
                             requests[i].line, requests[i].headers, rest);
        fuzz_put("request", requests[i].who, text, (size_t)bytes);
    }
    int bytes =
        snprintf(text, sizeof text,
                 "\xffGET /garden HTTP/1.1\r\nHost: a\r\n%s\r\nGET //x HTTP/1.1\r\nHost: a\r\n\r\n", rest);
    fuzz_put("request", 0, text, (size_t)bytes);
}

void fuzz_put_peer(void)
{
    put_requests();
    put_configs();
    put_keys();
    put_tokens();
    put_urls();
}
