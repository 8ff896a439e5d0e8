#ifndef COUCHESTOR_BATCH_H
#define COUCHESTOR_BATCH_H

#define NAPI_VERSION 8
#include <node_api.h>

/*
 * submit(level, [[matrix, sources, targets, compare, stream], ...]): Promise<(number[] | null)[]>. One piece of work for the thread pool.
 */
napi_value submit(napi_env env, napi_callback_info info);

#endif
