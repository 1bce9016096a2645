/* Who connects, by address. */
#include "leaf_rows.h"

#include "peer_limits.h"
#include "visitors.h"

#include <stdio.h>

static const peer_visitor_limits both = {.links = 2, .upgrades_per_minute = 4};

static void test_links(void **state)
{
    (void)state;
    const peer_visitor_limits limits = {.links = 2};
    peer_visitors *v = peer_visitors_new();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(peer_visitors_judge(v, &limits, "10.0.0.1", 0), PEER_VISIT_WELCOME);
        peer_visitors_join(v, "10.0.0.1", 0);
    }
    assert_int_equal(peer_visitors_judge(v, &limits, "10.0.0.1", 0), PEER_VISIT_TOO_MANY);
    assert_int_equal(peer_visitors_judge(v, &limits, "::ffff:10.0.0.1", 0), PEER_VISIT_TOO_MANY);
    assert_int_equal(peer_visitors_judge(v, &limits, "10.0.0.2", 0), PEER_VISIT_WELCOME);
    peer_visitors_leave(v, "10.0.0.1");
    assert_int_equal(peer_visitors_judge(v, &limits, "10.0.0.1", 0), PEER_VISIT_WELCOME);
    peer_visitors_leave(v, "10.0.0.9"); /* nobody */
    peer_visitors_free(v);
    peer_visitors_free(NULL);
}

/* Connections that are no links yet, at the limit and one beyond it. */
static void test_strangers(void **state)
{
    (void)state;
    const peer_visitor_limits limits = {.links = 2}, none = {0};
    peer_visitors *v = peer_visitors_new();
    assert_true(peer_visitors_open(v, &limits, "10.0.0.1", 0));
    assert_true(peer_visitors_open(v, &limits, "10.0.0.1", 0));
    assert_false(peer_visitors_open(v, &limits, "10.0.0.1", 0));
    assert_false(peer_visitors_open(v, &limits, "::ffff:10.0.0.1", 0));
    assert_true(peer_visitors_open(v, &limits, "10.0.0.2", 0));
    assert_true(peer_visitors_open(v, &none, "10.0.0.1", 0));
    peer_visitors_close(v, "10.0.0.1");
    peer_visitors_close(v, "10.0.0.1"); /* it becomes a link: one and one */
    peer_visitors_join(v, "10.0.0.1", 0);
    assert_false(peer_visitors_open(v, &limits, "10.0.0.1", 0));
    peer_visitors_close(v, "10.0.0.1");
    peer_visitors_join(v, "10.0.0.1", 0);
    assert_true(peer_visitors_open(v, &limits, "10.0.0.1", 0)); /* to be told that two are enough */
    assert_false(peer_visitors_open(v, &limits, "10.0.0.1", 0));
    peer_visitors_close(v, "10.0.0.9"); /* nobody */
    peer_visitors_free(v);
}

static void test_networks(void **state)
{
    (void)state;
    const peer_visitor_limits limits = {.links = 1};
    peer_visitors *v = peer_visitors_new();
    peer_visitors_join(v, "2001:db8:1:2::1", 0);
    assert_int_equal(peer_visitors_judge(v, &limits, "2001:db8:1:2:ffff::9", 0), PEER_VISIT_TOO_MANY);
    assert_int_equal(peer_visitors_judge(v, &limits, "2001:db8:1:3::1", 0), PEER_VISIT_WELCOME);
    peer_visitors_join(v, "no address", 0);
    assert_int_equal(peer_visitors_judge(v, &limits, "another", 0), PEER_VISIT_TOO_MANY);
    peer_visitors_free(v);
}

static void test_upgrades(void **state)
{
    (void)state;
    peer_visitors *v = peer_visitors_new();
    for (int i = 0; i < 4; i++) {
        assert_int_equal(peer_visitors_judge(v, &both, "10.0.0.1", 1000), PEER_VISIT_WELCOME);
    }
    assert_int_equal(peer_visitors_judge(v, &both, "10.0.0.1", 1000), PEER_VISIT_TOO_OFTEN);
    assert_int_equal(peer_visitors_judge(v, &both, "10.0.0.1", 15999), PEER_VISIT_TOO_OFTEN);
    assert_int_equal(peer_visitors_judge(v, &both, "10.0.0.1", 16000),
                     PEER_VISIT_WELCOME); /* a quarter of a minute */
    assert_int_equal(peer_visitors_judge(v, &both, "10.0.0.1", 16000), PEER_VISIT_TOO_OFTEN);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(peer_visitors_judge(v, &both, "10.0.0.1", 1000000), PEER_VISIT_WELCOME);
    }
    assert_int_equal(peer_visitors_judge(v, &both, "10.0.0.1", 1000000), PEER_VISIT_TOO_OFTEN);
    peer_visitors_free(v);
}

static void test_no_limits(void **state)
{
    (void)state;
    const peer_visitor_limits none = {0};
    peer_visitors *v = peer_visitors_new();
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(peer_visitors_judge(v, &none, "10.0.0.1", 0), PEER_VISIT_WELCOME);
        peer_visitors_join(v, "10.0.0.1", 0);
    }
    peer_visitors_free(v);
}

/* Of very many, those are forgotten who are gone for a minute; who has a link stays known. */
static void test_many(void **state)
{
    (void)state;
    char address[32];
    peer_visitors *v = peer_visitors_new();
    peer_visitors_join(v, "192.0.2.1", 0);
    peer_visitors_join(v, "192.0.2.1", 0);
    for (int i = 0; i < PEER_VISITORS_MAX + 1; i++) {
        snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(peer_visitors_judge(v, &both, address, 0), PEER_VISIT_WELCOME);
        peer_visitors_join(v, address, 0);
        peer_visitors_leave(v, address);
    }
    for (int i = 0; i < 10; i++) { /* no room: not counted */
        assert_int_equal(peer_visitors_judge(v, &both, "172.16.0.1", 59999), PEER_VISIT_WELCOME);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(peer_visitors_judge(v, &both, "172.16.0.1", 60000), PEER_VISIT_WELCOME);
    }
    assert_int_equal(peer_visitors_judge(v, &both, "172.16.0.1", 60000), PEER_VISIT_TOO_OFTEN);
    assert_int_equal(peer_visitors_judge(v, &both, "192.0.2.1", 60000), PEER_VISIT_TOO_MANY);
    peer_visitors_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_links),     cmocka_unit_test(test_strangers),
                                       cmocka_unit_test(test_networks),  cmocka_unit_test(test_upgrades),
                                       cmocka_unit_test(test_no_limits), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
