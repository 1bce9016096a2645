#include "tls.h"

#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20"; /* of 1.2; those of 1.3 are OpenSSL's */

/* What OpenSSL says about its last failure; the rest of what it has to say is dropped. */
static char *reason(const char *what, const char *file)
{
    unsigned long error = ERR_peek_last_error();
    const char *words = error != 0 ? ERR_reason_error_string(error) : NULL;
    char *why = peer_format("%s: %s: %s", file, what, words != NULL ? words : "it cannot be used");
    ERR_clear_error();
    return why;
}

/* OpenSSL says less of a file that cannot be opened. */
static char *unreadable(const char *file)
{
    return file != NULL && access(file, R_OK) != 0 ? peer_format("%s: %s", file, strerror(errno)) : NULL;
}

static char *try_files(const peer_options *o, SSL_CTX *context)
{
    if (o->cert_file != NULL && SSL_CTX_use_certificate_chain_file(context, o->cert_file) != 1) {
        return reason("the certificate", o->cert_file);
    }
    if (o->cert_file != NULL && SSL_CTX_use_PrivateKey_file(context, o->key_file, SSL_FILETYPE_PEM) != 1) {
        return reason("the key", o->key_file);
    }
    if (o->cert_file != NULL && SSL_CTX_check_private_key(context) != 1) {
        return reason("the key is not that of the certificate", o->key_file);
    }
    if (o->client_ca_file != NULL && SSL_CTX_load_verify_locations(context, o->client_ca_file, NULL) != 1) {
        return reason("the certificates", o->client_ca_file);
    }
    if (o->client_cert_file != NULL &&
        SSL_CTX_use_certificate_chain_file(context, o->client_cert_file) != 1) {
        return reason("the certificate", o->client_cert_file);
    }
    if (o->client_key_file != NULL &&
        SSL_CTX_use_PrivateKey_file(context, o->client_key_file, SSL_FILETYPE_PEM) != 1) {
        return reason("the key", o->client_key_file);
    }
    if (o->client_cert_file != NULL && SSL_CTX_check_private_key(context) != 1) {
        return reason("the key is not that of the certificate", o->client_key_file);
    }
    if (o->ca_file != NULL && SSL_CTX_load_verify_locations(context, o->ca_file, NULL) != 1) {
        return reason("the certificates", o->ca_file);
    }
    return NULL;
}

char *net_tls_wrong(const peer_options *o)
{
    ERR_clear_error();
    const char *const files[] = {o->cert_file,      o->key_file,         o->ca_file,
                                 o->client_ca_file, o->client_cert_file, o->client_key_file};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *cannot = unreadable(files[i]);
        if (cannot != NULL) {
            return cannot;
        }
    }
    static char none[] = ""; /* the passphrase of a key that has one: OpenSSL would ask for it, and wait */
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context != NULL) {
        SSL_CTX_set_default_passwd_cb_userdata(context, none);
    }
    char *why = context != NULL ? try_files(o, context) : reason("TLS", "OpenSSL");
    SSL_CTX_free(context);
    return why;
}

void net_tls_prepare(const peer_options *o, struct lws_context_creation_info *info)
{
    const long old = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION;
    info->options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info->alpn = "http/1.1";
    info->ssl_options_set = old;
    info->ssl_client_options_set = old;
    info->ssl_cipher_list = ciphers;
    info->client_ssl_cipher_list = ciphers;
    info->client_ssl_ca_filepath = o->ca_file;
    info->options |= o->ca_file != NULL ? LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS : 0; /* in their place */
    info->client_ssl_cert_filepath = o->client_cert_file;
    info->client_ssl_private_key_filepath = o->client_key_file;
    if (o->cert_file != NULL) {
        info->port = CONTEXT_PORT_NO_LISTEN_SERVER; /* sockets come from elsewhere, but are served */
        info->ssl_cert_filepath = o->cert_file;
        info->ssl_private_key_filepath = o->key_file;
    }
    if (o->client_ca_file != NULL) { /* who has none may have a token */
        info->options |=
            LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT | LWS_SERVER_OPTION_PEER_CERT_NOT_REQUIRED;
        info->ssl_ca_filepath = o->client_ca_file;
    }
}

int net_tls_client_flags(void)
{
    return LCCSCF_USE_SSL;
}

bool net_tls_pinned(const char *pin, struct lws *wsi)
{
    SSL *ssl = lws_get_ssl(wsi);
    X509 *certificate = pin != NULL && ssl != NULL ? SSL_get1_peer_certificate(ssl) : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE], *key = NULL;
    char text[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned bytes = 0;
    int size = certificate != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key) : 0;
    if (size > 0 && EVP_Digest(key, (size_t)size, digest, &bytes, EVP_sha256(), NULL) == 1) {
        for (unsigned i = 0; i < bytes; i++) {
            lws_snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
        }
    }
    OPENSSL_free(key);
    X509_free(certificate);
    return pin == NULL || strcasecmp(pin, text) == 0;
}

bool net_tls_member(struct lws *wsi, char *name, size_t bytes, int64_t *until_s)
{
    SSL *ssl = lws_get_ssl(wsi);
    X509 *certificate = ssl != NULL ? SSL_get1_peer_certificate(ssl) : NULL;
    if (certificate == NULL || SSL_get_verify_result(ssl) != X509_V_OK) {
        X509_free(certificate);
        return false;
    }
    struct tm until = {0};
    int got = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, (int)bytes);
    /* one that has a NUL in it, or is cut off, would say something else to others */
    bool good = got > 0 && (size_t)got < bytes - 1 && strlen(name) == (size_t)got &&
                ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) == 1;
    *until_s = good ? (int64_t)timegm(&until) : 0;
    X509_free(certificate);
    return good;
}

const char *net_tls_distrust(struct lws *wsi)
{
    const SSL *ssl = lws_get_ssl(wsi);
    long result = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
    return result != X509_V_OK ? X509_verify_cert_error_string(result) : NULL;
}

char *net_tls_reload(const peer_options *o, struct lws_context *context)
{
    char *why = net_tls_wrong(o);
    if (why == NULL && lws_tls_cert_updated(context, o->cert_file, o->key_file, NULL, 0, NULL, 0) != 0) {
        why = peer_format("%s cannot be taken over", o->cert_file);
    }
    return why;
}
