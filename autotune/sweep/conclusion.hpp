// The end of a sweep: from trials to a choice.
#pragma once

#include "autotune/search/search.hpp"
#include "autotune/sweep/ledger.hpp"
#include "autotune/sweep/sweep.hpp"

namespace osdn::autotune {

/// Races the best of the trials beside the default; cancelled: chooses by the trials alone. A candidate that breaks in
/// the race is recorded as what it did. Errors: those of the laboratory; internal when no candidate passed.
expected<Choice> conclude(Laboratory& laboratory, Ledger& ledger, const Search& search, const Space& space,
                          const SweepOptions& options, const Clock& clock);

}  // namespace osdn::autotune
