#include "bench/forward/work.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

namespace osdn::bench {
namespace {

using Json = nlohmann::json;

std::string name_of(const Work& work) {
  const Shape& s = work.shape;
  std::string name = s.packed() ? fmt::format("ragged {}", s.t) : fmt::format("{}x{}", s.b, s.t);
  name += s.h == s.hv ? fmt::format(" h{}", s.h) : fmt::format(" h{}/{}", s.h, s.hv);
  const Problem& p = work.problem;
  if (p.k != p.v) {
    name += fmt::format(" k{} v{}", p.k, p.v);
  } else if (p.k != 128) {
    name += fmt::format(" d{}", p.k);
  }
  if (p.operation != Operation::osdn_decode) return name;
  return fmt::format("decode {}{}", name, p.state_type == StateType::bf16 ? " bf16 state" : "");
}

expected<Work> work_of(const Json& row, const Problem& base) {
  Work work;
  work.group = row.at("from").get<std::string>();
  Problem problem = base;
  problem.k = row.at("k").get<int>();
  problem.v = row.at("v").get<int>();
  auto exact = canonical(problem);
  if (!exact) return exact.error();
  work.problem = *exact;
  work.shape.h = row.at("h").get<std::int64_t>();
  work.shape.hv = row.at("hv").get<std::int64_t>();
  if (row.contains("lengths")) {
    work.lengths = row.at("lengths").get<std::vector<std::int64_t>>();
    for (const std::int64_t length : work.lengths) {
      if (length < 0)
        return Error{ErrorCode::invalid_argument, fmt::format("a length is {}; allowed: 0 and more", length), {}};
    }
    work.shape.n = static_cast<std::int64_t>(work.lengths.size());
    work.shape.t = std::accumulate(work.lengths.begin(), work.lengths.end(), std::int64_t{0});
  } else {
    work.shape.b = row.at("b").get<std::int64_t>();
    work.shape.t = row.at("t").get<std::int64_t>();
  }
  if (auto ok = validate(work.shape); !ok) return ok.error();
  work.name = name_of(work);
  return work;
}

/// Every pair of heads with every batch.
std::vector<Json> rows_of(const Json& table) {
  std::vector<Json> out;
  for (const Json& heads : table.at("heads")) {
    for (const Json& batch : table.at("batches")) {
      out.push_back({{"from", "table"},
                     {"b", batch.at(0)},
                     {"t", batch.at(1)},
                     {"h", heads.at(0)},
                     {"hv", heads.at(1)},
                     {"k", table.at("k")},
                     {"v", table.at("v")}});
    }
  }
  return out;
}

/// Every problem with every batch: sequences, tokens, heads.
std::vector<Json> steps_of(const Json& decode) {
  std::vector<Json> out;
  for (const Json& batch : decode.at("batches")) {
    for (const Json& problem : decode.at("problems")) {
      out.push_back({{"from", "decode"},
                     {"problem", problem},
                     {"b", batch.at(0)},
                     {"t", batch.at(1)},
                     {"h", batch.at(2)},
                     {"hv", batch.at(3)},
                     {"k", decode.at("k")},
                     {"v", decode.at("v")}});
    }
  }
  return out;
}

}  // namespace

expected<std::vector<Work>> read_work(const std::string& file, bool quick, const std::string& problem) {
  std::ifstream stream(file);
  if (!stream) return Error{ErrorCode::io, fmt::format("{} cannot be read; name another with --shapes", file), {}};
  try {
    const Json all = Json::parse(stream);
    const auto usual = all.at("problem").get<std::string>();
    std::vector<Json> rows = quick ? all.at("quick").get<std::vector<Json>>() : rows_of(all.at("table"));
    if (!quick) {
      for (const Json& row : all.at("more")) rows.push_back(row);
      for (const Json& row : steps_of(all.at("decode"))) rows.push_back(row);
    }
    std::vector<Work> out;
    for (const Json& row : rows) {
      auto base = parse_problem(row.value("problem", usual));
      if (base && !problem.empty()) {
        const Operation operation = base->operation;
        base = parse_problem(problem);
        if (base && base->operation != operation) continue;
      }
      if (!base) return base.error();
      auto work = work_of(row, *base);
      if (!work) return work.error();
      out.push_back(*std::move(work));
    }
    const auto first = all.at("first").get<std::vector<std::string>>();
    std::stable_sort(out.begin(), out.end(), [&](const Work& a, const Work& b) {
      return std::find(first.begin(), first.end(), a.name) < std::find(first.begin(), first.end(), b.name);
    });
    return out;
  } catch (const Json::exception& error) {
    return Error{ErrorCode::corrupt, fmt::format("{}: {}", file, error.what()), {}};
  }
}

}  // namespace osdn::bench
