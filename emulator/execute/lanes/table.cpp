#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {

const Lanes table = {
    .integer = integer,
    .saturating = saturating,
    .floating = floating,
    .approximate = approximate,
    .half = half,
    .compare = compare,
    .select = select,
    .slct = slct,
    .predicate = predicate,
    .move = move,
    .pack = pack,
    .unpack = unpack,
    .convert = convert,
    .convert_eight = convert_eight,
    .load = load,
    .store = store,
    .shuffle = shuffle,
    .vote = vote,
    .match = match,
    .reduce = reduce,
    .elect = elect,
    .matrix = matrix,
    .warpgroup = warpgroup,
    .ldmatrix = ldmatrix,
    .stmatrix = stmatrix,
    .movmatrix = movmatrix,
    .async_copy = async_copy,
    .run = run,
};

}  // namespace emulator::EMULATOR_SET
