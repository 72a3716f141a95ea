/* stringer.c - the description of the interface bw_stringer: apart from the printer, which a type that implements it
 * does not need.
 */
#include <burrow/print.h>

BW__INTERFACE_DEFINE(bw_stringer, (bw_string, string));
