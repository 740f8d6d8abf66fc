/*
 * endpoint.c - parsing, writing and resolving endpoints.
 */
#include "node/base/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "node/base/check.h"

static const char tcp_prefix[] = "tcp://";
static const char ipc_prefix[] = "ipc://";
static const char form_hint[] = "write tcp://HOST:PORT, tcp://[IPV6]:PORT or ipc://PATH";

static bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static tr_status refuse(tr_error *error, const char *text, const char *reason) {
    return error_set(error, TR_EINVAL, form_hint, "'%.200s' is no endpoint: %s", text, reason);
}

/* A name, an IPv4 number or `*`; inside brackets, what an IPv6 number may consist of. */
static bool host_valid(const char *host, bool bracketed) {
    if (bracketed) {
        struct in6_addr address;
        return inet_pton(AF_INET6, host, &address) == 1;
    }
    if (strcmp(host, "*") == 0) return true;
    if (!is_alphanumeric(host[0])) return false;
    for (const char *c = host; *c != '\0'; c++) {
        if (!is_alphanumeric(*c) && *c != '-' && *c != '.' && *c != '_') return false;
    }
    return true;
}

/* `*` or 0 .. 65535 in decimal digits. */
static bool port_parse(const char *text, uint16_t *port_out) {
    if (strcmp(text, "*") == 0) {
        *port_out = 0;
        return true;
    }
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0') return false;
    long port = strtol(text, NULL, 10);
    if (port > UINT16_MAX) return false;
    *port_out = (uint16_t)port;
    return true;
}

static tr_status parse_tcp(const char *text, struct endpoint *endpoint_out, tr_error *error) {
    const char *host = text + sizeof tcp_prefix - 1;
    bool bracketed = host[0] == '[';
    if (bracketed) host++;
    const char *end = bracketed ? strchr(host, ']') : strrchr(host, ':');
    if (end == NULL) return refuse(error, text, "it has no port");
    const char *colon = bracketed ? end + 1 : end;
    if (*colon != ':') return refuse(error, text, "it has no port");

    struct endpoint endpoint = {.kind = ENDPOINT_TCP};
    size_t bytes = (size_t)(end - host);
    if (bytes == 0 || bytes >= sizeof endpoint.host) return refuse(error, text, "it has no host");
    memcpy(endpoint.host, host, bytes);
    if (!host_valid(endpoint.host, bracketed)) {
        return refuse(error, text, "its host is neither a name nor a number");
    }
    if (!port_parse(colon + 1, &endpoint.port)) {
        return refuse(error, text, "its port is not a number from 0 to 65535");
    }
    *endpoint_out = endpoint;
    return TR_OK;
}

static tr_status parse_ipc(const char *text, struct endpoint *endpoint_out, tr_error *error) {
    const char *path = text + sizeof ipc_prefix - 1;
    struct endpoint endpoint = {.kind = ENDPOINT_IPC};
    size_t bytes = strlen(path);
    if (bytes == 0) return refuse(error, text, "it has no path");
    if (bytes >= sizeof endpoint.path) {
        return refuse(error, text, "its path has more than 107 bytes");
    }
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f) {
            return refuse(error, text, "its path has control characters");
        }
    }
    /* ZeroMQ gives these a meaning of their own. */
    if (path[0] == '*' || path[0] == '@') return refuse(error, text, "its path is no file's");
    memcpy(endpoint.path, path, bytes);
    *endpoint_out = endpoint;
    return TR_OK;
}

tr_status endpoint_parse(const char *text, struct endpoint *endpoint_out, tr_error *error) {
    if (strncmp(text, tcp_prefix, sizeof tcp_prefix - 1) == 0) {
        return parse_tcp(text, endpoint_out, error);
    }
    if (strncmp(text, ipc_prefix, sizeof ipc_prefix - 1) == 0) {
        return parse_ipc(text, endpoint_out, error);
    }
    return refuse(error, text, "it begins neither with tcp:// nor with ipc://");
}

/* Reads a host that is a number into an address without port. */
static bool host_number(const char *host, struct sockaddr_storage *address_out) {
    memset(address_out, 0, sizeof *address_out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)address_out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)address_out;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        return true;
    }
    return false;
}

bool endpoint_is_numeric(const struct endpoint *endpoint) {
    struct sockaddr_storage address;
    return endpoint->kind == ENDPOINT_IPC || strcmp(endpoint->host, "*") == 0 ||
           host_number(endpoint->host, &address);
}

bool endpoint_connectable(const struct endpoint *endpoint) {
    if (endpoint->kind == ENDPOINT_IPC) return true;
    if (endpoint->port == 0 || strcmp(endpoint->host, "*") == 0) return false;
    struct sockaddr_storage address;
    if (!host_number(endpoint->host, &address)) return true;
    if (address.ss_family == AF_INET) {
        return ((struct sockaddr_in *)(void *)&address)->sin_addr.s_addr != htonl(INADDR_ANY);
    }
    return !IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)(void *)&address)->sin6_addr);
}

void endpoint_text(const struct endpoint *endpoint, char text_out[ENDPOINT_TEXT_BYTES]) {
    if (endpoint->kind == ENDPOINT_IPC) {
        snprintf(text_out, ENDPOINT_TEXT_BYTES, "ipc://%s", endpoint->path);
        return;
    }
    bool brackets = strchr(endpoint->host, ':') != NULL;
    snprintf(text_out, ENDPOINT_TEXT_BYTES, "tcp://%s%s%s:%u", brackets ? "[" : "", endpoint->host,
             brackets ? "]" : "", (unsigned)endpoint->port);
}

static void resolve_ipc(const struct endpoint *endpoint, struct sockaddr_storage *address_out,
                        socklen_t *bytes_out) {
    struct sockaddr_un *local = (struct sockaddr_un *)(void *)address_out;
    memset(local, 0, sizeof *local);
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, endpoint->path, strlen(endpoint->path));
    *bytes_out = sizeof *local;
}

/* Asks the system's resolver for a name. */
static tr_status resolve_name(const char *host, struct sockaddr_storage *address_out,
                              tr_error *error) {
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, NULL, &wanted, &found);
    if (code != 0) {
        return error_set(error, TR_ENOENT, "check the name, or write the address as a number",
                         "host '%s' cannot be resolved: %s", host, gai_strerror(code));
    }
    check(found->ai_addrlen <= sizeof *address_out);
    memset(address_out, 0, sizeof *address_out);
    memcpy(address_out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return TR_OK;
}

tr_status endpoint_resolve(const struct endpoint *endpoint, struct sockaddr_storage *address_out,
                           socklen_t *bytes_out, tr_error *error) {
    if (endpoint->kind == ENDPOINT_IPC) {
        resolve_ipc(endpoint, address_out, bytes_out);
        return TR_OK;
    }
    struct sockaddr_storage address;
    bool any = strcmp(endpoint->host, "*") == 0;
    if (!host_number(any ? "0.0.0.0" : endpoint->host, &address)) {
        tr_status status = resolve_name(endpoint->host, &address, error);
        if (status != TR_OK) return status;
    }
    if (address.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)&address)->sin6_port = htons(endpoint->port);
        *bytes_out = sizeof(struct sockaddr_in6);
    } else {
        ((struct sockaddr_in *)(void *)&address)->sin_port = htons(endpoint->port);
        *bytes_out = sizeof(struct sockaddr_in);
    }
    *address_out = address;
    return TR_OK;
}

tr_status endpoint_make_numeric(struct endpoint *endpoint, tr_error *error) {
    if (endpoint_is_numeric(endpoint)) return TR_OK;
    struct sockaddr_storage address;
    tr_status status = resolve_name(endpoint->host, &address, error);
    if (status != TR_OK) return status;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&address;
    check(inet_ntop(AF_INET, &v4->sin_addr, endpoint->host, sizeof endpoint->host) != NULL);
    return TR_OK;
}

bool endpoint_is_local(const struct endpoint *endpoint) {
    if (endpoint->kind == ENDPOINT_IPC) return true;
    if (strcmp(endpoint->host, "localhost") == 0) return true;
    struct sockaddr_storage address;
    if (!host_number(endpoint->host, &address)) return false;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)(void *)&address)->sin6_addr);
}
