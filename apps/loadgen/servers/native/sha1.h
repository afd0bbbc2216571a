#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>

enum { SHA1_BYTES = 20 };

void sha1(const char *bytes, size_t size, unsigned char digest[SHA1_BYTES]);

#endif
