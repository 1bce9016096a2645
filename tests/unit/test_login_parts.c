/* What a login is made of: forms, passwords, failures counted, cookies. */
#include "leaf_rows.h"

#include "cookie.h"
#include "form.h"
#include "password.h"
#include "peer_limits.h"
#include "throttle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reads(peer_form_kind kind, const char *body, const char *user, const char *password)
{
    peer_form form;
    bool good = peer_form_read(&form, kind, body, strlen(body));
    assert_int_equal(good, user != NULL);
    assert_string_equal(form.user, good ? user : "");
    assert_string_equal(form.password, good ? password : "");
}

static void test_forms(void **state)
{
    (void)state;
    reads(PEER_FORM_URLENCODED, "user=a&password=b", "a", "b");
    reads(PEER_FORM_URLENCODED, "x&=y&password=%2b+%C3%A4=&user=a%26&", "a&", "+ \xc3\xa4=");
    reads(PEER_FORM_URLENCODED, "user=a&password=b&password=c", NULL, NULL);
    reads(PEER_FORM_URLENCODED, "user=a&password=b%2", NULL, NULL);
    reads(PEER_FORM_URLENCODED, "user=a&password=b%00", NULL, NULL);
    reads(PEER_FORM_URLENCODED, "users=a&password=b", NULL, NULL);
    reads(PEER_FORM_URLENCODED, "", NULL, NULL);
    reads(PEER_FORM_JSON, "{\"user\": \"a\", \"password\": \"b\", \"more\": [1]}", "a", "b");
    reads(PEER_FORM_JSON, "{\"user\": \"a\", \"password\": null}", NULL, NULL);
    reads(PEER_FORM_UNKNOWN, "user=a&password=b", NULL, NULL);
    assert_int_equal(peer_form_kind_of("application/json ; charset=utf-8"), PEER_FORM_JSON);
    assert_int_equal(peer_form_kind_of("application/jsonx"), PEER_FORM_UNKNOWN);
    assert_int_equal(peer_form_kind_of(""), PEER_FORM_UNKNOWN);
}

static void test_passwords(void **state)
{
    (void)state;
    char hash[PEER_HASH_BYTES_MAX], other[PEER_HASH_BYTES_MAX];
    assert_true(peer_password_hash("a", hash));
    assert_true(peer_password_hash("a", other));
    assert_string_not_equal(hash, other);
    assert_true(strncmp(hash, "$y$j9T$", 7) == 0); /* the cost that somebody who is not there has */
    assert_true(peer_password_fits("a", hash));
    assert_false(peer_password_fits("A", hash));
    assert_false(peer_password_fits("", hash));
    assert_false(peer_password_fits("a", NULL));
    assert_false(peer_password_fits("a", "a"));
    hash[20] = hash[20] == 'x' ? 'y' : 'x';
    assert_false(peer_password_fits("a", hash));
}

static void test_failures(void **state)
{
    (void)state;
    int64_t now_ms = 1000000, wait_ms = PEER_LOGIN_MS_FIRST;
    peer_throttle *t = peer_throttle_new();
    assert_non_null(t);
    for (int i = 0; i < PEER_LOGIN_FREE; i++) {
        assert_int_equal(peer_throttle_try(t, "10.0.0.1", "ann", now_ms += 10), 0);
    }
    for (int i = 0; i < 4; i++) { /* later ones see that some wear off meanwhile */
        assert_int_equal(peer_throttle_try(t, "10.0.0.1", "bob", now_ms), wait_ms); /* the address */
        assert_int_equal(peer_throttle_try(t, "10.0.0.2", "ann", now_ms), wait_ms); /* the user */
        now_ms += wait_ms;
        assert_int_equal(peer_throttle_try(t, "::ffff:10.0.0.1", "ann", now_ms), 0);
        wait_ms = wait_ms * 2 < PEER_LOGIN_MS_MOST ? wait_ms * 2 : PEER_LOGIN_MS_MOST;
    }
    assert_int_equal(peer_throttle_try(t, "10.0.0.3", "eve", now_ms), 0);
    now_ms += (int64_t)20 * PEER_LOGIN_FORGET_MS;
    for (int i = 0; i < PEER_LOGIN_FREE; i++) {
        assert_int_equal(peer_throttle_try(t, "10.0.0.1", "ann", now_ms), 0);
    }
    peer_throttle_free(t);
    peer_throttle_free(NULL);
}

static void test_who_has_a_password_of_his_own(void **state)
{
    (void)state;
    int64_t now_ms = 1000000;
    int failures = 0;
    peer_throttle *t = peer_throttle_new();
    for (int i = 0; i < 100 && peer_throttle_try(t, "10.0.0.1", "own", now_ms) == 0; i++) {
        peer_throttle_forgive(t, "10.0.0.1", "own");
        failures += peer_throttle_try(t, "10.0.0.1", "ann", now_ms) == 0;
    }
    assert_int_equal(failures, PEER_LOGIN_FREE);
    peer_throttle_free(t);
}

static void test_cookies(void **state)
{
    (void)state;
    static char secret[] = "a secret of at least thirty-two bytes", audience[] = PEER_COOKIE_AUDIENCE;
    peer_key key = {NULL, secret, sizeof secret - 1};
    peer_cookie_rules rules = {
        .tokens = {.keys = {PEER_HS256, &key, 1}, .audience = audience}, .seconds = 60, .secure = true};
    const peer_cookie_holder holder = {"ann", " red, b* ,", "read"};
    char token[PEER_TOKEN_BYTES_MAX + 1];
    const char *why;
    peer_grant grant;
    char *cookie = peer_cookie_make(&rules, &holder, 1000);
    assert_non_null(cookie);
    assert_non_null(strstr(cookie, "; Max-Age=60; Path=/; HttpOnly; SameSite=Strict; Secure"));
    assert_true(peer_cookie_find(&rules, cookie, token, sizeof token));
    assert_true(peer_token_check(&rules.tokens, token, "blue", 1059, &grant, &why));
    assert_string_equal(grant.user, "ann");
    assert_int_equal(grant.rights, 1);
    assert_int_equal(grant.until_s, 1060);
    assert_false(peer_token_check(&rules.tokens, token, "blue", 1060, &grant, &why));
    assert_false(peer_token_check(&rules.tokens, token, "green", 1000, &grant, &why));
    assert_false(peer_cookie_find(&rules, cookie, token, 20));
    free(cookie);
    assert_false(peer_cookie_find(&rules, "", token, sizeof token));
    assert_false(peer_cookie_find(&rules, "sync=x; __Host-syn=y; __Host-sync", token, sizeof token));
    assert_false(peer_cookie_find(&rules, "__Host-sync=x;__Host-sync=x", token, sizeof token));
    assert_true(peer_cookie_find(&rules, "a=b; __Host-sync=x=y ; c=d", token, sizeof token));
    assert_string_equal(token, "x=y ");
    rules.secure = false;
    assert_true(peer_cookie_find(&rules, "__Host-sync=x; sync=y", token, sizeof token));
    assert_string_equal(token, "y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),    cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_who_has_a_password_of_his_own),
        cmocka_unit_test(test_cookies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
