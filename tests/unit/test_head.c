/* Heads of requests, before libwebsockets reads them. */
#include "leaf_rows.h"

#include "head.h"

#include <stdio.h>
#include <string.h>

static peer_head head_of(const char *text)
{
    peer_head head = {.bytes = strlen(text)};
    memcpy(head.data, text, head.bytes);
    return head;
}

static void test_how_much_is_there(void **state)
{
    (void)state;
    static const char whole[] = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
    peer_head head = head_of(whole);
    for (head.bytes = 0; head.bytes < sizeof whole - 1; head.bytes++) {
        assert_int_equal(peer_head_look(&head), PEER_HEAD_PART);
    }
    assert_int_equal(peer_head_look(&head), PEER_HEAD_WHOLE);
    head = head_of("GET /a HTTP/1.1\n\nmore");
    assert_int_equal(peer_head_look(&head), PEER_HEAD_WHOLE);
    memset(head.data, 'x', sizeof head.data);
    head.bytes = PEER_REQUEST_BYTES_MAX - 1;
    assert_int_equal(peer_head_look(&head), PEER_HEAD_PART);
    head.bytes = PEER_REQUEST_BYTES_MAX;
    assert_int_equal(peer_head_look(&head), PEER_HEAD_BAD);
    head.data[PEER_REQUEST_BYTES_MAX - 1] = '\n';
    assert_int_equal(peer_head_look(&head), PEER_HEAD_PART);
    head.bytes = PEER_HEAD_BYTES_MAX;
    assert_int_equal(peer_head_look(&head), PEER_HEAD_BAD);
}

/* NULL: it is refused. */
static void becomes(const char *before, const char *after)
{
    peer_head head = head_of(before);
    bool good = peer_head_settle(&head);
    assert_int_equal(good, after != NULL);
    assert_int_equal(head.bytes, strlen(good ? after : before));
    assert_memory_equal(head.data, good ? after : before, head.bytes);
}

static void test_first_lines(void **state)
{
    (void)state;
    becomes("GET /red HTTP/1.1\r\n\r\nbody", "GET /red HTTP/1.1\r\n\r\nbody");
    becomes("GET //red HTTP/1.1\r\n\r\n", "GET /XXXX HTTP/1.1\r\n\r\n");
    becomes("GET /r%65d\n\n", "GET /XXXXX\n\n");
    becomes("GET /red?a=b HTTP/1.1\r\n\r\n", "GET /XXXXXXX HTTP/1.1\r\n\r\n");
    becomes("GET /red?a=b&Jwt=x HTTP/1.1\r\n\r\n", "GET /?token HTTP/1.1\r\n\r\n");
    becomes("GET /?jwt HTTP/1.1\r\n\r\n", "GET /?token HTTP/1.1\r\n\r\n");
    becomes("GET  HTTP/1.1\r\n\r\n", NULL);
    becomes("POST /red HTTP/1.1\r\n\r\n", NULL);
    becomes("GE\n\n", NULL);
}

#define LINE "GET /a HTTP/1.1\r\n"
#define LIST "Sec-WebSocket-Protocol:"

static void test_tokens_among_subprotocols(void **state)
{
    (void)state;
    becomes(LINE LIST " sync.v1, bearer.x.y.z\r\nHost: b\r\n\r\n",
            LINE "Host: b\r\n" LIST "sync.v1\r\nAuthorization: Bearer x.y.z\r\n\r\n");
    becomes(LINE "SEC-websocket-protocol: \tBEARER.x\t,a ,, b\n\n",
            LINE LIST "a,b\r\nAuthorization: Bearer x\r\n\n");
    becomes(LINE LIST "bearer.x,bearer.y\r\n\r\n", LINE "Authorization: Bearer x,y\r\n\r\n");
    becomes(LINE LIST "bearer.\r\n\r\n", LINE "\r\n");
    becomes(LINE LIST "bearer.x\r\nauthorization: z\r\n" LIST "a\r\n\r\n",
            LINE "authorization: z\r\n" LIST "a\r\n\r\n");
    becomes(LINE "X-" LIST "bearer.x\r\n\r\n" LIST "bearer.y\r\n", LINE "\r\n" LIST "bearer.y\r\n");
}

static void test_headers_that_nobody_reads(void **state)
{
    (void)state;
    becomes(LINE "X: y\r\nOrigin: o\r\nauth: Authorization: z\r\nHOST:b\r\n\r\n",
            LINE "Origin: o\r\nHOST:b\r\n\r\n");
    becomes(LINE "Host : b\r\n folded\r\nGET /b HTTP/1.1\r\nno colon\r\nHosts: b\n\n", LINE "\n");
    becomes(LINE "Sec-WebSocket-Extensions: x\r\nUser-Agent: y\r\nCookie: c\r\nUpgrade: websocket\r\n\r\n",
            LINE "Cookie: c\r\nUpgrade: websocket\r\n\r\n");
}

/* One that is as long as it may be, and grows as much as it can. */
static void test_the_longest(void **state)
{
    (void)state;
    static peer_head head;
    head = head_of(LINE LIST "a,bearer.");
    memset(head.data + head.bytes, 'x', sizeof head.data - head.bytes);
    head.bytes = PEER_HEAD_BYTES_MAX;
    memcpy(head.data + head.bytes - 4, "\r\n\r\n", 4);
    assert_int_equal(peer_head_look(&head), PEER_HEAD_WHOLE);
    assert_true(peer_head_settle(&head));
    assert_true(head.bytes > PEER_HEAD_BYTES_MAX && head.bytes <= sizeof head.data);
    head = head_of(LINE "Host: ");
    memset(head.data + head.bytes, 'x', sizeof head.data - head.bytes);
    head.bytes = PEER_HEAD_BYTES_MAX; /* whose end would be at PEER_HEAD_BYTES_MAX + 1 */
    memcpy(head.data + head.bytes - 3, "\r\n\r", 3);
    assert_int_equal(peer_head_look(&head), PEER_HEAD_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_much_is_there),
        cmocka_unit_test(test_first_lines),
        cmocka_unit_test(test_tokens_among_subprotocols),
        cmocka_unit_test(test_headers_that_nobody_reads),
        cmocka_unit_test(test_the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
