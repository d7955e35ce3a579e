// Every family of one ISA level. Compiled once a level, with HOROBALL_LEVEL its name and the compiler's flags
// its instruction set. All that is included here lives in an unnamed namespace and uses no template of the
// standard library, so that nothing but the one table below leaves the object.
//
// To add a family: include its header and fill its slot.
#include "cpu/contrast.h"
#include "cpu/delta.h"
#include "cpu/levels.h"
#include "cpu/pairwise.h"
#include "cpu/pairwise_vjp.h"
#include "cpu/rows.h"
#include "cpu/select.h"

#define HOROBALL_JOIN_(a, b) a##b
#define HOROBALL_JOIN(a, b) HOROBALL_JOIN_(a, b)
#define HOROBALL_STRING_(a) #a
#define HOROBALL_STRING(a) HOROBALL_STRING_(a)

namespace horoball {

const Backend HOROBALL_JOIN(backend_, HOROBALL_LEVEL) = {
    .name = HOROBALL_STRING(HOROBALL_LEVEL),
    .pairwise = pairwise,
    .pairwise_vjp = pairwise_vjp,
    .contrast = contrast,
    .select = select,
    .delta = delta,
    .row = row,
    .row_vjp = row_vjp,
};

}  // namespace horoball
