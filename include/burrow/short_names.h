/* burrow/short_names.h - Go's own words, when BURROW_SHORT_NAMES is defined before including burrow.h. */
#ifndef BURROW_SHORT_NAMES_H
#define BURROW_SHORT_NAMES_H

#define new bw_new
#define make bw_make

#endif
