// Records and lines: what is written is what is read, and nothing else is.
#include "autotune/database/record.hpp"

#include "autotune/database/line.hpp"
#include "support.hpp"

namespace osdn::autotune::test {
namespace {

const std::string id = "0123456789abcdef";

ReadLine read_back(const std::string& line) {
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  return read_line(std::string_view(line).substr(0, line.size() - 1));
}

void expect_round_trip(const Record& record, const std::string& of = id) {
  const std::string line = write_line(of, record);
  const ReadLine read = read_back(line);
  ASSERT_EQ(read.state, ReadLine::State::good) << read.why << "\n" << line;
  EXPECT_EQ(read.id, of);
  EXPECT_TRUE(read.record == record) << line;
}

/// The same members, sealed anew: a line whose checksum is right.
std::string resealed(std::string line, const std::string& from, const std::string& to) {
  line.pop_back();
  std::string body(*unsealed(line));
  const std::size_t at = body.find(from);
  EXPECT_NE(at, std::string::npos) << from << " is not in " << body;
  return sealed(body.replace(at, from.size(), to));
}

TEST(Record, WhatIsWrittenIsRead) {
  Draw draw(1);
  for (int i = 0; i < 300; ++i) {
    expect_round_trip(draw.trial());
    expect_round_trip(Pin{draw.config(), draw.integer(0, 1LL << 40)});
    if (i % 10 == 0) expect_round_trip(draw.choice());
  }
  expect_round_trip(Unpin{17});
  expect_round_trip(some_key(), key_id(some_key()));
}

TEST(Record, TheFirstMemberIsTheChecksumOfTheRest) {
  const std::string line = write_line(id, Unpin{17});
  ASSERT_TRUE(line.starts_with(R"({"checksum":")")) << line;
  const std::string body = line.substr(30, line.size() - 31);
  EXPECT_EQ(body, R"(,"format":1,"kind":"unpin","key":"0123456789abcdef","when":17})");
  EXPECT_EQ(line.substr(13, 16), hash_text(body));
  // XXH3-64 of nothing, from the reference implementation's documentation of its seedless empty hash.
  EXPECT_EQ(hash_text(""), "2d06800538d394c2");
}

TEST(Record, NoSingleByteCanBeChanged) {
  Draw draw(2);
  for (const Record& record : {Record(draw.trial()), Record(some_key()), Record(Pin{draw.config(), 5})}) {
    const std::string line = write_line(key_id(some_key()), record);
    ASSERT_EQ(read_back(line).state, ReadLine::State::good);
    for (std::size_t at = 0; at + 1 < line.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string flipped = line.substr(0, line.size() - 1);
        flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
        EXPECT_EQ(read_line(flipped).state, ReadLine::State::damaged) << at << " " << flipped;
      }
    }
  }
}

TEST(Record, NoBeginningOfALineIsOne) {
  const std::string line = write_line(id, Draw(3).trial());
  for (std::size_t size = 0; size + 1 < line.size(); ++size) {
    EXPECT_EQ(read_line(std::string_view(line).substr(0, size)).state, ReadLine::State::damaged) << size;
  }
}

TEST(Record, NewerFormatsAndUnknownKindsAreForeign) {
  const std::string line = write_line(id, Draw(4).trial());
  EXPECT_EQ(read_back(resealed(line, R"("format":1)", R"("format":2)")).state, ReadLine::State::foreign);
  EXPECT_EQ(read_back(resealed(line, R"("kind":"trial")", R"("kind":"dream")")).state, ReadLine::State::foreign);
  EXPECT_EQ(read_back(resealed(line, R"("format":1)", R"("format":0)")).state, ReadLine::State::damaged);
  EXPECT_EQ(read_back(resealed(line, R"("format":1)", R"("format":"2")")).state, ReadLine::State::damaged);
  EXPECT_EQ(read_back(resealed(line, R"("kind":"trial")", R"("kind":7)")).state, ReadLine::State::damaged);
}

TEST(Record, MembersThatAreUnknownAreNoHarm) {
  const Trial trial = Draw(5).trial();
  const std::string line = resealed(write_line(id, trial), R"("outcome")", R"("mood":[1,{"x":null}],"outcome")");
  const ReadLine read = read_back(line);
  ASSERT_EQ(read.state, ReadLine::State::good) << read.why;
  EXPECT_TRUE(std::get<Trial>(read.record) == trial);
}

TEST(Record, EveryFieldIsChecked) {
  Trial trial = Draw(6).trial();
  trial.config = {};
  trial.sources = std::string(32, 'a');
  trial.shape = *parse_shape("b=2,t=64,h=1,hv=1");
  trial.outcome = Outcome::wrong;
  trial.reason = "because";
  trial.median_seconds = 0.25;
  trial.spread = 0.5;
  trial.samples = 7;
  trial.discarded = 3;
  trial.ratio = 0.75;
  trial.resources = {64, 8, 4096, 128, 1024, 1.5};
  trial.circumstances = {1700000000, 12040, 12060, "0.1.0", "events"};
  const std::string line = write_line(id, trial);
  const std::pair<const char*, const char*> changes[] = {
      {R"("key":"0123456789abcdef")", R"("key":"0123456789abcdeg")"},
      {R"("key":"0123456789abcdef")", R"("key":"0123456789ABCDEF")"},
      {R"("key":"0123456789abcdef")", R"("kee":"0123456789abcdef")"},
      {"chunk=64", "chunk=65"},
      {"chunk=64", "chonk=64"},
      {R"("config":")", R"("config":7,"was":")"},
      {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaa"},
      {"b=2,t=64", "b=0,t=64"},
      {R"("outcome":"wrong")", R"("outcome":"odd")"},
      {R"("reason":"because")", R"("reason":null)"},
      {R"("reason":"because")", R"("reason":"be\ncause")"},
      {R"("median_seconds":0.25)", R"("median_seconds":-0.25)"},
      {R"("median_seconds":0.25)", R"("median_seconds":1e999)"},
      {R"("median_seconds":0.25)", R"("median_seconds":null)"},
      {R"("spread":0.5)", R"("spread":"0.5")"},
      {R"("samples":7)", R"("samples":7.5)"},
      {R"("samples":7)", R"("samples":-7)"},
      {R"("samples":7)", R"("samples":3000000000)"},
      {R"("discarded":3)", R"("discarded":true)"},
      {R"("ratio":0.75)", R"("ratio":[0.75])"},
      {R"("resources":{)", R"("resources":7,"were":{)"},
      {R"("registers":64)", R"("registers":99999999999)"},
      {R"("spill_bytes":8)", R"("spill_bytes":-8)"},
      {R"("compile_ms":1.5)", R"("compile_ms":-1.5)"},
      {R"("circumstances":{)", R"("circumstances":[{)"},
      {R"("when":1700000000)", R"("when":-1)"},
      {R"("when":1700000000)", R"("when":99999999999999999999)"},
      {R"("driver":12040)", R"("driver":{})"},
      {R"("stopwatch":"events")", R"("stopwatch":1)"},
  };
  ASSERT_EQ(read_back(line).state, ReadLine::State::good) << read_back(line).why;
  for (const auto& [from, to] : changes) {
    const ReadLine read = read_back(resealed(line, from, to));
    EXPECT_EQ(read.state, ReadLine::State::damaged) << to;
    EXPECT_FALSE(read.why.empty()) << to;
  }
}

TEST(Record, ChoicesAndKeysAreChecked) {
  Choice choice = Draw(7).choice();
  choice.finalists.resize(1);
  choice.finalists[0].samples = {0.5, 0.25};
  choice.candidates = 9;
  choice.seed = 18446744073709551615U;
  const std::string line = write_line(id, choice);
  ASSERT_EQ(read_back(line).state, ReadLine::State::good);
  EXPECT_EQ(std::get<Choice>(read_back(line).record).seed, 18446744073709551615U);
  const std::pair<const char*, const char*> changes[] = {
      {R"("finalists":[)", R"("finalists":[],"others":[)"},
      {R"("finalists":[)", R"("finalists":[7,)"},
      {"[0.5,0.25]", "[0.5,-0.25]"},
      {"[0.5,0.25]", R"([0.5,"x"])"},
      {"[0.5,0.25]", "0.5"},
      {R"("candidates":9)", R"("candidates":9e0)"},
  };
  for (const auto& [from, to] : changes) {
    EXPECT_EQ(read_back(resealed(line, from, to)).state, ReadLine::State::damaged) << to;
  }
  choice.finalists[0].samples.assign(201, 1.0);
  EXPECT_EQ(read_back(write_line(id, choice)).state, ReadLine::State::damaged);

  const std::string key = write_line(key_id(some_key()), some_key());
  ASSERT_EQ(read_back(key).state, ReadLine::State::good);
  EXPECT_EQ(read_back(write_line(id, some_key())).state, ReadLine::State::damaged);  // the id of another
  const std::pair<const char*, const char*> wrong[] = {{"k=32", "k=33"},
                                                       {"osdn_forward:", "osdn_backward:"},
                                                       {"heads=2^5", "heads=2^x"},
                                                       {R"("multiprocessors":132)", R"("multiprocessors":132.5)"},
                                                       {R"("arch":90)", R"("arch":-90)"},
                                                       {R"("emulated":true)", R"("emulated":1)"}};
  for (const auto& [from, to] : wrong) {
    EXPECT_EQ(read_back(resealed(key, from, to)).state, ReadLine::State::damaged) << to;
  }
}

TEST(Record, DeepAndLongLinesAreRefused) {
  std::string deep = R"(,"format":1,"kind":"pin","key":"0123456789abcdef","x":)";
  deep += std::string(100000, '[') + std::string(100000, ']') + "}";
  EXPECT_EQ(read_back(sealed(deep)).state, ReadLine::State::damaged);
  const std::string longer = R"(,"format":2,"x":")" + std::string(longest_line, 'x') + "\"}";
  EXPECT_EQ(read_back(sealed(longer)).state, ReadLine::State::damaged);
}

TEST(Record, LongAndUnprintableTextsAreCutAndCleaned) {
  Trial trial = Draw(8).trial();
  for (const std::string& reason : {std::string(100000, 'x'), std::string("two\nlines\t\x1b[31m"),
                                    std::string(5000, '\xff'), std::string("cut \xc3"), [] {
                                      std::string out;
                                      for (int i = 0; i < 2000; ++i) out += "µ";
                                      return out;
                                    }()}) {
    trial.reason = reason;
    const ReadLine read = read_back(write_line(id, trial));
    ASSERT_EQ(read.state, ReadLine::State::good) << read.why;
    const std::string& kept = std::get<Trial>(read.record).reason;
    EXPECT_LE(kept.size(), 6000U);
    EXPECT_EQ(kept.find_first_of("\n\t\x1b"), std::string::npos);
    if (reason.size() > 2000) {
      EXPECT_TRUE(kept.ends_with("...")) << kept.substr(kept.size() - 10);
    }
  }
}

TEST(Record, KeysHaveIdsOfTheirOwn) {
  const Key key = some_key();
  Key other = key;
  EXPECT_EQ(key_id(key), key_id(other));
  other.bucket.tokens += 1;
  EXPECT_NE(key_id(key), key_id(other));
  other = key;
  other.gpu.emulated = false;
  EXPECT_NE(key_id(key), key_id(other));
  other = key;
  other.gpu.name += " PCIe";
  EXPECT_NE(key_id(key), key_id(other));
  other = key;
  other.problem.v = 64;
  EXPECT_NE(key_id(key), key_id(other));
}

}  // namespace
}  // namespace osdn::autotune::test
