// Text forms: what is printed reads back as itself, and what is wrong is refused in words.
#include "generator/text.hpp"

#include <gtest/gtest.h>

#include <string>

#include "generator/fields.hpp"
#include "tests/generator/random_values.hpp"

namespace osdn {
namespace {

using tests::fresh_seed;
using tests::Random;

TEST(Text, CanonicalForms) {
  EXPECT_EQ(to_string(Problem{}),
            "osdn_forward:type=bf16,k=128,v=128,precondition=osdn,apf=none,norm=max,beta_aware=1,qk_l2norm=0,"
            "beta_type=fp32");
  Problem p;
  p.type = ElementType::fp32;
  p.math = Fp32Math::tf32x3;
  p.precondition = Precondition::none;
  EXPECT_EQ(to_string(p),
            "osdn_forward:type=fp32,math=tf32x3,k=128,v=128,precondition=none,qk_l2norm=0,beta_type=fp32");
  p.operation = Operation::osdn_decode;  // its arithmetic is fp32, its states may be bf16
  p.state_type = StateType::bf16;
  EXPECT_EQ(to_string(canonical(p).value_or_throw()),
            "osdn_decode:type=fp32,k=128,v=128,precondition=none,qk_l2norm=0,beta_type=fp32,state_type=bf16");
  p.operation = Operation::osdn_forward;
  p.decay = Decay::scalar;
  p.micro_steps = 3;
  EXPECT_EQ(to_string(p),
            "osdn_forward:type=fp32,math=tf32x3,k=128,v=128,precondition=none,qk_l2norm=0,beta_type=fp32,decay=scalar,"
            "micro_steps=3");
  EXPECT_EQ(to_string(Config{}),
            "chunk=64,warps=4,stages=1,value_split=1,preconditioner=parallel,preconditioner_warps=4,inverse=blocked");
  EXPECT_EQ(to_string(Shape{4, 8192, 32, 64, 0}), "b=4,t=8192,h=32,hv=64");
  EXPECT_EQ(to_string(Shape{1, 8192, 32, 32, 3}), "b=1,t=8192,h=32,hv=32,n=3");
}

TEST(Text, RoundTripsOnRandomValues) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 3000; ++i) {
    const auto problem = canonical(random.any_problem());
    ASSERT_TRUE(problem) << problem.error().message;
    const auto problem_back = parse_problem(to_string(*problem));
    ASSERT_TRUE(problem_back) << problem_back.error().message;
    EXPECT_EQ(*problem_back, *problem) << to_string(*problem);

    // Also the points of the family without kernels: their text is read, their kernels are refused elsewhere.
    const std::string family = to_string(random.family_problem());
    const auto family_back = parse_problem(family);
    ASSERT_TRUE(family_back) << family_back.error().message;
    EXPECT_EQ(to_string(*family_back), family);

    const Config config = random.config();
    const auto config_back = parse_config(to_string(config), random.config());
    ASSERT_TRUE(config_back) << config_back.error().message;
    EXPECT_EQ(*config_back, config);

    const Shape shape = random.shape();
    const auto shape_back = parse_shape(to_string(shape));
    ASSERT_TRUE(shape_back) << shape_back.error().message;
    EXPECT_EQ(*shape_back, shape);
  }
}

TEST(Text, LaterFieldsOfAConfigAreNamedOnlyWhereTheyDiffer) {
  const std::string usual = to_string(Config{});
  EXPECT_EQ(usual.find("schedule"), std::string::npos) << "texts from before it was added stay as they are";
  EXPECT_EQ(to_string(Config{.schedule = Schedule::hopper,
                             .cut = Cut::fixed,
                             .segment = 512,
                             .cut_fill = 75,
                             .cut_memory = 20,
                             .cut_d = 4}),
            usual + ",schedule=hopper,cut=fixed,segment=512,cut_fill=75,cut_memory=20,cut_d=4");
  EXPECT_EQ(parse_config("cut=automatic,segment=1024").value_or_throw(), (Config{.cut = Cut::automatic}));
}

TEST(Text, AbsentFieldsKeepTheirDefaults) {
  EXPECT_EQ(parse_problem("osdn_forward").value_or_throw(), Problem{});
  EXPECT_EQ(parse_problem("osdn_forward:").value_or_throw(), Problem{});
  EXPECT_EQ(parse_problem("osdn_forward:v=64,k=32,type=fp16").value_or_throw(),
            (Problem{.type = ElementType::fp16, .k = 32, .v = 64}));
  EXPECT_EQ(parse_shape("t=5,h=6").value_or_throw(), (Shape{.t = 5, .h = 6, .hv = 6}));
  EXPECT_EQ(parse_shape("hv=6,t=5,h=3").value_or_throw(), (Shape{.t = 5, .h = 3, .hv = 6}));
  const Config base{.chunk = 16, .warps = 8};
  EXPECT_EQ(parse_config("stages=2", base).value_or_throw(), (Config{.chunk = 16, .warps = 8, .stages = 2}));
  EXPECT_EQ(parse_config("", base).value_or_throw(), base);
}

TEST(Text, FieldsWithoutAMeaningAreReadAndForgotten) {
  EXPECT_EQ(parse_problem("osdn_forward:type=bf16,math=tf32x3").value_or_throw(), Problem{});
  const Problem delta_net{.precondition = Precondition::none};
  EXPECT_EQ(parse_problem("osdn_forward:norm=one,precondition=none,apf=per_token,beta_aware=0").value_or_throw(),
            delta_net);
}

struct Refused {
  const char* text;
  const char* message;
};

constexpr char known_problem_fields[] =
    "known: type, math, k, v, precondition, apf, norm, beta_aware, qk_l2norm, beta_type, state_type, decay, erase, "
    "value or "
    "micro_steps";

TEST(Text, ProblemErrorsNameFieldValueAndAllowed) {
  const Refused cases[] = {
      {"osdn_forward:k=100", "problem field k was '100'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:v=0", "problem field v was '0'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:v=272", "problem field v was '272'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k=-16", "problem field k was '-16'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k=4294967312", "problem field k was '4294967312'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k=16x", "problem field k was '16x'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k= 16", "problem field k was ' 16'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k=0x10", "problem field k was '0x10'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k=", "problem field k was ''; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k", "problem field k has no value; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k=16,v=16,k=16", "problem field k is given twice"},
      {"osdn_forward:type=BF16", "problem field type was 'BF16'; allowed: bf16, fp16 or fp32"},
      {"osdn_forward:math=fp32", "problem field math was 'fp32'; allowed: tf32 or tf32x3"},
      {"osdn_forward:precondition=pdn", "problem field precondition was 'pdn'; allowed: none or osdn"},
      {"osdn_forward:apf=token",
       "problem field apf was 'token'; allowed: none, constant, per_head, per_token or per_channel"},
      {"osdn_forward:norm=l2", "problem field norm was 'l2'; allowed: max, add or one"},
      {"osdn_forward:beta_aware=true", "problem field beta_aware was 'true'; allowed: 0 or 1"},
      {"osdn_forward:qk_l2norm=2", "problem field qk_l2norm was '2'; allowed: 0 or 1"},
      {"osdn_forward:beta_type=bf16", "problem field beta_type was 'bf16'; allowed: fp32 or element"},
      {"osdn_forward:decay=1", "problem field decay was '1'; allowed: none, scalar or vector"},
      {"osdn_forward:erase=k", "problem field erase was 'k'; allowed: none, beta or vector"},
      {"osdn_forward:value=2", "problem field value was '2'; allowed: one, beta or vector"},
      {"osdn_forward:micro_steps=0", "problem field micro_steps was '0'; allowed: an integer from 1 to 16"},
      {"osdn_forward:k=16,", "problem text has an empty field (a comma too many); write name=value,name=value"},
      {"osdn_forward:,k=16", "problem text has an empty field (a comma too many); write name=value,name=value"},
      {"osdn_forward:k=16;v=16", "problem field k was '16;v=16'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forward:k=16\n", "problem field k was '16\\x0a'; allowed: a multiple of 16 from 16 to 256"},
      {"osdn_forwards:k=16",
       "problem text must begin with its operation and a colon, but began with 'osdn_forwards' (did you mean "
       "'osdn_forward'?); allowed: osdn_forward or osdn_decode"},
      {"k=16",
       "problem text must begin with its operation and a colon, but began with 'k=16'; allowed: osdn_forward or "
       "osdn_decode"},
      {"",
       "problem text must begin with its operation and a colon, but began with ''; allowed: osdn_forward or "
       "osdn_decode"},
  };
  for (const auto& [text, message] : cases) {
    const auto parsed = parse_problem(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_EQ(parsed.error().message, message) << text;
  }
  const auto unknown = parse_problem("osdn_forward:betaaware=1");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            std::string("problem field 'betaaware' is unknown (did you mean 'beta_aware'?); ") + known_problem_fields);
  const auto far = parse_problem("osdn_forward:xyzzyx=1");
  ASSERT_FALSE(far);
  EXPECT_EQ(far.error().message, std::string("problem field 'xyzzyx' is unknown; ") + known_problem_fields);
}

TEST(Text, ConfigErrorsNameFieldValueAndAllowed) {
  const Refused cases[] = {
      {"chunk=48", "config field chunk was '48'; allowed: 16, 32, 64 or 128"},
      {"warps=3", "config field warps was '3'; allowed: 1, 2, 4, 8 or 16"},
      {"stages=4", "config field stages was '4'; allowed: 1, 2 or 3"},
      {"value_split=17", "config field value_split was '17'; allowed: an integer from 1 to 16"},
      {"preconditioner=fast", "config field preconditioner was 'fast'; allowed: serial, parallel or chunked"},
      {"preconditioner_warps=16", "config field preconditioner_warps was '16'; allowed: 1, 2, 4 or 8"},
      {"inverse=block", "config field inverse was 'block'; allowed: substitution or blocked"},
      {"chunk=64,chunk=64", "config field chunk is given twice"},
      {"warp=4",
       "config field 'warp' is unknown (did you mean 'warps'?); known: chunk, warps, stages, value_split, "
       "preconditioner, preconditioner_warps, inverse, "
       "schedule, cut, segment, cut_fill, cut_memory or cut_d"},
  };
  for (const auto& [text, message] : cases) {
    const auto parsed = parse_config(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_EQ(parsed.error().message, message) << text;
  }
}

TEST(Text, ShapeErrorsNameFieldValueAndAllowed) {
  const Refused cases[] = {
      {"b=0", "shape field b was '0'; allowed: an integer of at least 1"},
      {"t=-1", "shape field t was '-1'; allowed: an integer of at least 0"},
      {"t=9223372036854775808", "shape field t was '9223372036854775808'; allowed: an integer of at least 0"},
      {"h=0", "shape field h was '0'; allowed: an integer from 1 to 2147483647"},
      {"hv=2147483648", "shape field hv was '2147483648'; allowed: an integer from 1 to 2147483647"},
      {"n=-3", "shape field n was '-3'; allowed: an integer of at least 0"},
      {"h=2,hv=5", "shape field hv was '5'; allowed: a multiple of h = 2"},
      {"h=8,hv=4", "shape field hv was '4'; allowed: a multiple of h = 8"},
      {"b=2,n=3", "shape field b was '2'; allowed: 1 with packed sequences (n = 3)"},
      {"batch=2", "shape field 'batch' is unknown; known: b, t, h, hv or n"},
      {"b=2,b=2", "shape field b is given twice"},
      {"b=134217728,h=1",
       "shape has 134217728 sequences times hv = 1 value heads; allowed: a product of at most 134,217,727 (a grid's "
       "limit of 2,147,483,647 CTAs over up to 16 a head)"},
      {"n=9223372036854775807,h=2147483647",
       "shape has 9223372036854775807 sequences times hv = 2147483647 value heads; allowed: a product of at most "
       "134,217,727 (a grid's limit of 2,147,483,647 CTAs over up to 16 a head)"},
      {"t=9223372036854775807,h=2",
       "shape has b = 1 times t = 9223372036854775807 times hv = 2 rows; allowed: byte offsets within 63 bits (a "
       "product of at most 9,007,199,254,740,991)"},
  };
  for (const auto& [text, message] : cases) {
    const auto parsed = parse_shape(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_EQ(parsed.error().message, message) << text;
  }
}

TEST(Text, ShapesUpToTheLimitsAreTaken) {
  EXPECT_TRUE(parse_shape("b=134217727,h=1"));
  EXPECT_TRUE(parse_shape("t=9007199254740991,h=1"));
  EXPECT_FALSE(parse_shape("t=9007199254740992,h=1"));
  EXPECT_TRUE(parse_shape("b=1000,t=0,h=4"));
  EXPECT_TRUE(parse_shape("b=70000,t=65536,h=16"));  // more than 2³¹ elements, B·HV above 65,535
}

// Whatever the text, the parsers return; what they accept, they print and read back as the same.
TEST(Text, RandomTextIsRefusedOrRoundTrips) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const std::string pieces[] = {"osdn_forward",
                                ":",
                                "type",
                                "=",
                                "bf16",
                                "k",
                                "v",
                                "16",
                                "256",
                                ",",
                                "chunk",
                                "64",
                                "warps",
                                "4",
                                "b",
                                "t",
                                "h",
                                "hv",
                                "n",
                                "1",
                                "0",
                                "-",
                                " ",
                                "\n",
                                std::string(1, '\0'),
                                "\xff",
                                "99999999999999999999",
                                "apf",
                                "none",
                                "preconditioner",
                                "serial",
                                "value_split"};
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = random.coin() ? "osdn_forward:" : "";
    const auto length = random.integer(0, 12);
    for (int j = 0; j < length; ++j) {
      text += random.integer(0, 9) == 0 ? std::string(1, static_cast<char>(random.integer(0, 255)))
                                        : pieces[random.integer(0, std::ssize(pieces) - 1)];
    }
    // Half of them are grammatical, so that some are accepted.
    if (random.coin()) {
      const char* const grammatical[] = {"k=16", "v=32", "chunk=16", "warps=2", "b=3", "t=7", "apf=constant"};
      text = (random.coin() ? "osdn_forward:" : "") + std::string(grammatical[random.integer(0, 6)]) + "," +
             grammatical[random.integer(0, 6)];
    }
    if (const auto problem = parse_problem(text)) {
      ++accepted;
      ASSERT_EQ(parse_problem(to_string(*problem)).value_or_throw(), *problem) << text;
    } else {
      ASSERT_EQ(problem.error().message.find('\n'), std::string::npos) << "not one line: " << problem.error().message;
      ASSERT_LT(problem.error().message.size(), 500u);
    }
    if (const auto config = parse_config(text)) {
      ++accepted;
      ASSERT_EQ(parse_config(to_string(*config)).value_or_throw(), *config) << text;
    }
    if (const auto shape = parse_shape(text)) {
      ++accepted;
      ASSERT_EQ(parse_shape(to_string(*shape)).value_or_throw(), *shape) << text;
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST(Text, LongInputIsCutInMessages) {
  const auto parsed = parse_problem("osdn_forward:" + std::string(1 << 20, 'k') + "=1");
  ASSERT_FALSE(parsed);
  EXPECT_LT(parsed.error().message.size(), 400u);
  EXPECT_NE(parsed.error().message.find("(1048576 bytes)"), std::string::npos) << parsed.error().message;
}

TEST(Text, Words) {
  using generator::grouped;
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(212992), "212,992");
  EXPECT_EQ(grouped(18446744073709551615ULL), "18,446,744,073,709,551,615");
  const std::string_view known[] = {"warps", "stages"};
  EXPECT_EQ(generator::nearest("wraps", known), "warps");
  EXPECT_EQ(generator::nearest("", known), "");
  EXPECT_EQ(generator::nearest("q", known), "");
}

}  // namespace
}  // namespace osdn
