#ifndef COUCHESTOR_READ_NOW_H
#define COUCHESTOR_READ_NOW_H

#define NAPI_VERSION 8
#include <node_api.h>

/* readNow(fd, into, positionBytes): number. The bytes read, or the negated errno. Never waits for a disk. */
napi_value read_now(napi_env env, napi_callback_info info);

#endif
