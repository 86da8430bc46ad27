// The page in a real browser, where there is one: what the script builds, and that it never fails.
// OSDN_REPORT_PAGES=FOLDER keeps the pages, to look at.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "autotune/report/report.hpp"
#include "made_up.hpp"

namespace osdn::test {
namespace {

using namespace autotune;
namespace fs = std::filesystem;

constexpr std::string_view failed = "data-failed=";

std::string browser() {
  for (const char* name : {"/usr/bin/chromium", "/usr/bin/google-chrome", "/usr/bin/chromium-browser"}) {
    if (fs::exists(name)) return name;
  }
  return {};
}

class InABrowser : public testing::Test {
 protected:
  InABrowser() {
    const char* kept = std::getenv("OSDN_REPORT_PAGES");  // NOLINT(concurrency-mt-unsafe): nothing else runs yet
    keep_ = kept != nullptr && *kept != '\0';
    folder_ = keep_ ? fs::path(kept) : fs::temp_directory_path() / fmt::format("osdn-report-{}", ::getpid());
    fs::create_directories(folder_);
  }
  ~InABrowser() override {
    std::error_code ignored;
    if (!keep_) fs::remove_all(folder_, ignored);
  }

  /// The page, written beside those of the other tests; with `probe`, a script that runs behind its own.
  std::string write(const std::string& name, const std::vector<Entry>& entries, const std::string& probe = {}) {
    std::string page = render_report(entries, {.library_version = "0.1.0", .source = "made up for a test"});
    if (keep_) std::ofstream(folder_ / (name + ".html")) << page;
    page.replace(page.rfind("</body>"), 0, "<script>" + probe + "</script>\n");
    // Before anything else: errors become text in the document.
    page.replace(
        page.find("<title>"), 0,
        "<script>addEventListener('error', (e) => document.documentElement.setAttribute('data-failed', e.message));"
        "</script>");
    const fs::path path = folder_ / (name + ".probe.html");
    std::ofstream(path) << page;
    return path.string();
  }

  /// The document after the script ran; nothing when there is no browser.
  std::string document(const std::string& path, const std::string& hash = {}) {
    const std::string command = fmt::format(
        "timeout 60 {} --headless --no-sandbox --disable-gpu --user-data-dir={}/profile --virtual-time-budget=500 "
        "--dump-dom 'file://{}{}' 2>/dev/null",
        browser(), folder_.string(), path, hash);
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::string out;
    std::array<char, 65536> piece{};
    for (std::size_t got = 0; (got = std::fread(piece.data(), 1, piece.size(), pipe.get())) > 0;)
      out.append(piece.data(), got);
    fs::remove_all(folder_ / "profile");
    return out;
  }

  bool keep_ = false;
  fs::path folder_;
};

std::size_t occurrences(std::string_view text, std::string_view of) {
  std::size_t out = 0;
  for (std::size_t at = text.find(of); at != std::string_view::npos; at = text.find(of, at + of.size())) ++out;
  return out;
}

const Shape shape{.b = 4, .t = 8192, .h = 32, .hv = 32};

TEST_F(InABrowser, EveryPartIsDrawn) {
  const Entry entry = made_up_entry({}, shape, h200());
  const std::string path = write("large", {entry}, "document.querySelector('.more button:last-child').click();");
  if (browser().empty()) GTEST_SKIP() << "no chromium here";
  const std::string page = document(path);
  ASSERT_NE(page.find("id=\"landscape\""), std::string::npos) << page.substr(0, 2000);
  EXPECT_EQ(page.find(failed), std::string::npos) << page.substr(0, 300);
  for (const char* part : {"pairs", "final", "floors", "refusals", "trials"}) {
    EXPECT_NE(page.find(fmt::format("<section id=\"{}\"", part)), std::string::npos) << part;
  }
  const std::string table = page.substr(page.find("<table class=\"trials\""));
  EXPECT_EQ(occurrences(table.substr(0, table.find("</table>")), "<tr"), entry.trials.size() + 1);
  EXPECT_EQ(occurrences(page, "class=\"thumbnail\""), 28U);  // pairs of eight parameters: the schedule varies, too
  EXPECT_EQ(occurrences(page, "<figure"), 8U);
}

TEST_F(InABrowser, WhatIsModelledSaysSoBesideEveryTime) {
  const Entry entry = made_up_entry({.k = 64, .v = 64}, shape, emulated_gpu(), {.most = 12, .emulated = true});
  const std::string path = write("modelled", {entry});
  if (browser().empty()) GTEST_SKIP() << "no chromium here";
  const std::string page = document(path);
  const std::string main = page.substr(page.find("<main"), page.find("</main>") - page.find("<main"));
  EXPECT_EQ(page.find(failed), std::string::npos);
  for (const char* part : {"landscape", "final", "floors", "trials"}) {
    const std::size_t begin = main.find(fmt::format("<section id=\"{}\"", part));
    ASSERT_NE(begin, std::string::npos) << part;
    EXPECT_NE(main.substr(begin, main.find("</section>", begin) - begin).find("odelled"), std::string::npos) << part;
  }
  EXPECT_NE(main.find("modelled on the emulator's timing model, not a measurement"), std::string::npos);
  EXPECT_EQ(occurrences(main, "aria-label=\"modelled time against"), 7U);  // the strip of every parameter
  // Beside the times of every finalist, in the legend and under the heat map.
  EXPECT_GE(occurrences(main, ">modelled</span>"), entry.choice->finalists.size() + 2);
  EXPECT_NE(main.find("default, modelled time"), std::string::npos);
  EXPECT_EQ(main.find("default, time"), std::string::npos);
  EXPECT_EQ(main.find("erformance"), std::string::npos);
  EXPECT_EQ(main.find("aster"), std::string::npos);  // nor is anything faster
}

TEST_F(InABrowser, AnyEntryOfManyCanBeShown) {
  const auto entries = many_entries();
  const std::string path = write("many", entries);
  if (browser().empty()) GTEST_SKIP() << "no chromium here";
  for (const int number : {4, 99}) {
    const std::string page = document(path, fmt::format("#entry={}", number));
    EXPECT_EQ(page.find(failed), std::string::npos) << number << page.substr(0, 300);
    EXPECT_EQ(occurrences(page, "href=\"#entry="), entries.size());
    EXPECT_NE(page.find(fmt::format("href=\"#entry={}\" aria-current=\"true\"", std::min(number, 36))),
              std::string::npos)
        << number;
  }
}

TEST_F(InABrowser, OddEntriesAreShownAsFarAsTheyGo) {
  const auto entries = odd_entries();
  const std::string path = write("odd", entries, R"(
    for (const entry of data.entries) {
      const model = modelOf(entry);
      main.append(...[headline, landscape, pairs, final, floors, refusals, trials].map((part) => part(model)).filter(Boolean));
    }
    drawAll(main);)");
  if (browser().empty()) GTEST_SKIP() << "no chromium here";
  const std::string page = document(path);
  EXPECT_EQ(page.find(failed), std::string::npos) << page.substr(0, 300);
  EXPECT_EQ(occurrences(page, "class=\"headline\""), entries.size() + 1);  // the one that is shown first, too
  EXPECT_EQ(occurrences(page, "<section id=\"trials\""), entries.size() + 1);
  // Nothing that could not be computed is shown or drawn.
  const std::string drawn = page.substr(page.find("<main"), page.find("</main>") - page.find("<main"));
  for (const char* nonsense : {"NaN", "undefined", "Infinity", "[object", "null"}) {
    const std::size_t at = drawn.find(nonsense);
    EXPECT_EQ(at, std::string::npos) << nonsense << ": " << drawn.substr(at < 200 ? 0 : at - 200, 300);
  }
}

TEST_F(InABrowser, HostileTextsStayTexts) {
  const std::string path = write("hostile", {hostile_entry()});
  if (browser().empty()) GTEST_SKIP() << "no chromium here";
  const std::string page = document(path);
  EXPECT_EQ(page.find(failed), std::string::npos) << page.substr(0, 300);
  EXPECT_EQ(page.find("<title>owned"), std::string::npos);
  const std::string main = page.substr(page.find("<main"), page.find("</main>") - page.find("<main"));
  EXPECT_NE(main.find("&lt;/script&gt;&lt;script&gt;document.title='owned'"), std::string::npos);
  EXPECT_EQ(main.find("<img"), std::string::npos);
  EXPECT_EQ(main.find("<b onmouseover"), std::string::npos);
}

TEST_F(InABrowser, AnEmptyDatabase) {
  const std::string path = write("empty", {});
  if (browser().empty()) GTEST_SKIP() << "no chromium here";
  const std::string page = document(path);
  EXPECT_EQ(page.find(failed), std::string::npos);
  const std::string main = page.substr(page.find("<main"), page.find("</main>") - page.find("<main"));
  EXPECT_NE(main.find("holds no entries"), std::string::npos);
}

}  // namespace
}  // namespace osdn::test
