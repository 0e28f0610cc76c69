/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/cache_location.h"

void cache_location_free(struct cache_location *location)
{
    if (!location)
        return;
    location->ops->free(location);
    free(location->name);
    free(location);
}
