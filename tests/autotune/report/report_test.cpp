// The page as a text: its data parse back and hold every trial, nothing in them is markup, what is modelled says so.
#include "autotune/report/report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "generator/plan.hpp"
#include "made_up.hpp"

namespace osdn::test {
namespace {

using namespace autotune;
using Json = nlohmann::json;

constexpr std::string_view data_begin = R"(<script type="application/json" id="data">)";
const Shape shape{.b = 4, .t = 8192, .h = 32, .hv = 32};

std::string data_text(const std::string& page) {
  const std::size_t begin = page.find(data_begin) + data_begin.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

Json data_of(const std::string& page) {
  return Json::parse(data_text(page));
}

std::size_t occurrences(std::string_view text, std::string_view of) {
  std::size_t out = 0;
  for (std::size_t at = text.find(of); at != std::string_view::npos; at = text.find(of, at + of.size())) ++out;
  return out;
}

TEST(Report, HoldsEveryTrial) {
  const Entry entry = made_up_entry({}, shape, h200());
  ASSERT_GT(entry.trials.size(), 500U);
  const Json data = data_of(render_report({entry}));
  ASSERT_EQ(data["entries"].size(), 1U);
  const Json& trials = data["entries"][0]["trials"];
  ASSERT_EQ(trials["count"], entry.trials.size());
  for (std::size_t i = 0; i < entry.trials.size(); ++i) {
    const Trial& trial = entry.trials[i];
    std::string config;
    for (std::size_t f = 0; f < data["fields"].size(); ++f) {
      config +=
          (f == 0 ? "" : ",") + data["fields"][f].get<std::string>() + "=" + trials["config"][f][i].get<std::string>();
    }
    ASSERT_EQ(parse_config(config).value_or_throw(), trial.config) << config;
    ASSERT_EQ(data["outcomes"][trials["outcome"][i].get<std::size_t>()], name(trial.outcome));
    ASSERT_EQ(trials["reasons"][trials["reason"][i].get<std::size_t>()], trial.reason);
    ASSERT_EQ(trials["shapes"][trials["shape"][i].get<std::size_t>()], to_string(trial.shape));
    ASSERT_NEAR(trials["seconds"][i].get<double>(), trial.median_seconds, trial.median_seconds * 1e-6);
    ASSERT_NEAR(trials["ratio"][i].get<double>(), trial.ratio, trial.ratio * 1e-6);
    ASSERT_EQ(trials["samples"][i], trial.samples);
    ASSERT_EQ(trials["discarded"][i], trial.discarded);
    ASSERT_EQ(trials["registers"][i], trial.resources.registers);
    ASSERT_EQ(trials["spills"][i], trial.resources.spill_bytes);
    ASSERT_EQ(trials["shared"][i], trial.resources.shared_bytes);
    ASSERT_EQ(trials["threads"][i], trial.resources.threads);
    ASSERT_EQ(trials["workspace"][i], trial.resources.workspace_bytes);
    ASSERT_EQ(trials["compile"][i], trial.resources.compile_ms);
  }
}

TEST(Report, HoldsTheChoice) {
  Entry entry = made_up_entry({}, shape, h200(), {.most = 50});
  entry.pin = Pin{entry.trials[7].config, 1'700'000'000};
  entry.earlier = {*entry.choice};
  const Json found = data_of(render_report({entry}))["entries"][0];
  const Choice& choice = *entry.choice;
  EXPECT_EQ(found["choice"]["ended"], choice.ended);
  EXPECT_EQ(found["choice"]["candidates"], choice.candidates);
  EXPECT_EQ(found["choice"]["gated_out"], choice.gated_out);
  ASSERT_EQ(found["choice"]["finalists"].size(), choice.finalists.size());
  for (std::size_t i = 0; i < choice.finalists.size(); ++i) {
    const Json& finalist = found["choice"]["finalists"][i];
    EXPECT_EQ(finalist["samples"].size(), choice.finalists[i].samples.size());
    EXPECT_NEAR(finalist["low"].get<double>(), choice.finalists[i].ratio_low, 1e-6);
    EXPECT_NEAR(finalist["high"].get<double>(), choice.finalists[i].ratio_high, 1e-6);
  }
  EXPECT_EQ(found["choice"]["software"]["driver"], "12.8");
  EXPECT_EQ(found["choice"]["software"]["stopwatch"], "events");
  EXPECT_EQ(found["pin"]["when"], 1'700'000'000);
  EXPECT_EQ(found["earlier"].size(), 1U);
  EXPECT_EQ(found["floors"]["token_heads"], 4 * 8192 * 32);
  const int chunk = choice.finalists[0].config.chunk;
  EXPECT_EQ(found["floors"]["winner"]["flops"], 4 * chunk * 256 + 6 * 128 * 128);
  EXPECT_GT(found["floors"]["winner"]["tensor"].get<double>(), 0);
}

TEST(Report, NothingOfTheEntriesIsMarkup) {
  const Entry entry = hostile_entry();
  const std::string page = render_report({entry}, {.library_version = "</script>", .source = "<!-- <script>"});
  const std::string data = data_text(page);
  EXPECT_EQ(data.find_first_of("<>&"), std::string::npos);
  for (const char c : data) ASSERT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);  // no U+2028 either
  const Json found = Json::parse(data);
  EXPECT_EQ(found["entries"][0]["gpu"]["name"], entry.key.gpu.name);
  EXPECT_EQ(found["entries"][0]["origin"], entry.origin);
  EXPECT_EQ(found["source"], "<!-- <script>");
  // Elements and comments: those of the same page with harmless texts, no more.
  Entry harmless = entry;
  harmless.key.gpu.name = "GPU";
  const std::string plain = render_report({harmless});
  for (const char* tag : {"<script", "</script", "<!--", "<img", "<svg", "<b", "{{"}) {
    EXPECT_EQ(occurrences(page, tag), occurrences(plain, tag)) << tag;
  }
  EXPECT_NE(page.find("&lt;/script&gt;&lt;script&gt;document.title=&#39;owned"), std::string::npos);
}

TEST(Report, NumbersThatAreNoneAreNull) {
  const Json trials = data_of(render_report({hostile_entry()}))["entries"][0]["trials"];
  EXPECT_TRUE(trials["ratio"][5].is_null());
  EXPECT_TRUE(trials["seconds"][6].is_null());
}

TEST(Report, WhatIsModelledSaysSo) {
  const std::string caveat = "modelled on the emulator's timing model, not a measurement";
  const auto entries = many_entries();
  const std::string page = render_report(entries);
  std::size_t modelled = 0;
  const Json data = data_of(page);
  for (const Json& entry : data["entries"]) {
    const bool emulated = entry["gpu"]["emulated"].get<bool>();
    EXPECT_EQ(entry["caveat"], emulated ? caveat : "");
    EXPECT_EQ(entry["modelled"], emulated);
    if (emulated) ++modelled;
  }
  EXPECT_EQ(modelled, 12U);
  // The table for readers without a script says it once an entry.
  const std::string without_data = page.substr(0, page.find(data_begin));
  EXPECT_EQ(occurrences(without_data, caveat), modelled);
  // A device's name over modelled trials does not hide it.
  Entry disguised = made_up_entry({}, shape, h200(), {.most = 12, .emulated = true});
  EXPECT_EQ(data_of(render_report({disguised}))["entries"][0]["caveat"], caveat);
  // Trials of another stopwatch than the choice's are told apart in the table.
  Entry both = made_up_entry({}, shape, emulated_gpu(), {.most = 12, .emulated = true});
  both.trials[3].circumstances.stopwatch = "events";
  const Json mixed = data_of(render_report({both}))["entries"][0];
  EXPECT_EQ(mixed["caveat"], caveat);
  EXPECT_EQ(mixed["trials"]["stopwatches"][mixed["trials"]["stopwatch"][3].get<std::size_t>()], "events");
  EXPECT_EQ(mixed["trials"]["stopwatches"][mixed["trials"]["stopwatch"][4].get<std::size_t>()], "modelled");
  // And events on the emulator are not a device's times either.
  Entry timed = made_up_entry({}, shape, emulated_gpu(), {.most = 12});
  EXPECT_NE(data_of(render_report({timed}))["entries"][0]["caveat"], "");
  EXPECT_EQ(data_of(render_report({timed}))["entries"][0]["modelled"], false);
}

TEST(Report, CallsStaleWhatIsWrittenDifferentlyNow) {
  Entry entry = made_up_entry({}, shape, h200(), {.most = 20});
  const auto architecture = generator::find_architecture("sm_90").value_or_throw();
  for (Trial& trial : entry.trials)
    trial.sources = source_hash(generator::plan({}, trial.config, architecture).value_or_throw());
  entry.trials[4].sources[0] = entry.trials[4].sources[0] == '0' ? '1' : '0';
  const Json found = data_of(render_report({entry}, {.current_sources = generated_sources()}))["entries"][0];
  for (std::size_t i = 0; i < entry.trials.size(); ++i) EXPECT_EQ(found["trials"]["stale"][i], i == 4 ? 1 : 0) << i;
  EXPECT_EQ(found["choice"]["finalists"][0]["stale"], true);  // its hash is made up
  EXPECT_EQ(data_of(render_report({entry}))["entries"][0]["trials"]["stale"][4], 0);
}

TEST(Report, AnEmptyDatabaseSaysSo) {
  const std::string page = render_report({});
  EXPECT_NE(page.find("The tuning database holds no entries"), std::string::npos);
  EXPECT_TRUE(data_of(page)["entries"].empty());
  EXPECT_NE(page.find("osdn tune --preset paper --shapes b=4,t=8192,h=32"), std::string::npos);
}

TEST(Report, TheSameEntriesGiveTheSamePage) {
  auto entries = many_entries();
  const std::string page = render_report(entries);
  std::reverse(entries.begin(), entries.end());
  EXPECT_EQ(render_report(entries), page);
}

TEST(Report, NeedsNothingBesideIt) {
  const std::string page = render_report({made_up_entry({}, shape, h200(), {.most = 12})});
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  // Namespaces of SVG and links in sentences would be addresses, too, but are never fetched.
  for (const char* way :
       {"src=", "@import", "url(", "fetch(", "XMLHttpRequest", "import(", "href=\"http", "WebSocket", "innerHTML"}) {
    EXPECT_EQ(page.find(way), std::string::npos) << way;
  }
  EXPECT_EQ(page.find("{{"), std::string::npos);
  for (const char* part : {"--winner", "function landscape", "function trials", "prefers-color-scheme"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
}

TEST(Report, IsOfReasonableSize) {
  const Entry entry = made_up_entry({}, shape, h200());
  const std::size_t empty = render_report({}).size();
  const std::size_t page = render_report({entry}).size();
  EXPECT_LT(empty, 90'000U);
  EXPECT_LT(page - empty, entry.trials.size() * 200) << entry.trials.size();
  RecordProperty("bytes", static_cast<int>(page));
}

}  // namespace
}  // namespace osdn::test
