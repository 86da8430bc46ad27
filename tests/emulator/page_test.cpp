// The page of instructions is what the decoder's table says, and its section numbers are the manual's.
#include "ptx/page.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "ptx/decoder.hpp"

namespace emulator::test {
namespace {

constexpr const char* kCommand = "OSDN_UPDATE_DOCS=1 build/test_emulator --gtest_filter='InstructionPage.*'";
const std::string kPage = OSDN_DOCS "/emulator-instructions.md";

std::string content_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(InstructionPage, IsWhatTheTableSays) {
  const std::string page = ptx::instruction_page(kCommand);
  if (std::getenv("OSDN_UPDATE_DOCS") != nullptr) std::ofstream(kPage, std::ios::binary) << page;
  EXPECT_TRUE(content_of(kPage) == page) << kPage << " is out of date. Write it anew with\n  " << kCommand;
  EXPECT_NE(content_of(OSDN_DOCS "/emulator.md").find("](emulator-instructions.md)"), std::string::npos);
}

TEST(InstructionPage, NamesEveryOpcodeAndModifier) {
  const std::string page = ptx::instruction_page("");
  for (const ptx::Row& row : ptx::instruction_table()) {
    std::string opcode("| `");
    opcode.append(row.opcode).append("`");
    EXPECT_NE(page.find(opcode), std::string::npos) << row.opcode;
    EXPECT_TRUE(std::regex_match(std::string(row.section), std::regex(R"(9\.7\.[0-9]+(\.[0-9]+)+)"))) << row.opcode;
    const ptx::Grammar grammar(row.modifiers);
    for (const auto& group : grammar.groups()) {
      for (const auto word : group.alternatives) EXPECT_NE(page.find(word), std::string::npos) << word;
    }
  }
  EXPECT_EQ(page.find("Others ("), std::string::npos) << "a chapter without a title";
}

// Some rows by hand, as the manual numbers and spells them.
TEST(InstructionPage, AgreesWithTheManual) {
  const std::string page = ptx::instruction_page("");
  for (const char* line : {"| `mul` `.lo/.hi/.wide` `.u16/.s16/.u32/.s32/.u64/.s64` | 9.7.1.3 |",
                           "| `ex2` `.approx` `[.ftz]` `.f32` | 9.7.3.21 |", "| `bar` `.warp` `.sync` | 9.7.13.2 |",
                           "| `movmatrix` `.sync` `.aligned` `.m8n8` `.trans` `.b16` | 9.7.14.5.17 |",
                           "| `cp` `.async` `.commit_group` | 9.7.9.25.3.2 |", "| `trap` | 9.7.19.4 |"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace emulator::test
