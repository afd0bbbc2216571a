#ifndef JSON_H
#define JSON_H

#include "text.h"

/* The value of a member of a JSON object, as it is written there (a string with its quotes); empty where there is none. */
struct text member(struct text object, const char *name);

#endif
