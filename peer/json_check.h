/* JSON against a schema: the part of JSON Schema (2020-12) that a configuration needs. Pure: no file, no socket.
**
** Known: type (also several), properties, additionalProperties: false, required, items, minItems, maxItems, minimum, maximum, minLength, maxLength, pattern (a
** POSIX extended expression), enum (of strings; of other types than the value's it says nothing), default, description, title, $schema. */
#ifndef PEER_JSON_CHECK_H
#define PEER_JSON_CHECK_H

#include <jansson.h>
#include <stdbool.h>

/* Checks a value, and puts in what the schema gives as default where an object lacks it. NULL: it is valid. Else what is wrong, with the place as a JSON
** pointer in front; malloc'd, the caller's. */
char *peer_json_check(const json_t *schema, json_t *value);

/* Does the schema itself keep to what is known here? NULL, or the keyword that does not; borrowed from the schema. */
const char *peer_json_schema_unknown(const json_t *schema);

#endif
