// Every kernel family at one ISA level. Compiled once per level: HOROBALL_LEVEL is its name, and the compiler flags select
// its instruction set. The kernels included here are in unnamed namespaces, and use only those templates of the standard
// library that are always inlined, so the object exports nothing but the table below.
//
// To add a family: include its header and fill its entry in the table.
#include "cpu/contrast/contrast.h"
#include "cpu/contrast/pair_loss.h"
#include "cpu/delta/delta.h"
#include "cpu/frame/levels.h"
#include "cpu/lists/centers.h"
#include "cpu/lists/encode.h"
#include "cpu/lists/probe.h"
#include "cpu/pairwise/pairwise.h"
#include "cpu/pairwise/vjp.h"
#include "cpu/row/table.h"
#include "cpu/select/select.h"

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
    .pair_loss = pair_loss,
    .select = select,
    .centers = centers,
    .encode = encode,
    .probe = probe,
    .delta = delta,
    .row = row,
    .row_vjp = row_vjp,
    .geometries = kGeometries,
    .reads_of = reads_of,
    .check_contrast = check_contrast,
};

}  // namespace horoball
