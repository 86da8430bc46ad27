#include "recall/curves.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace recall {
namespace {

constexpr double width = 720;
constexpr double height = 420;
constexpr double left = 70;
constexpr double right = 190;  // room for the legend
constexpr double top = 50;
constexpr double bottom = 50;
constexpr std::array colours{"#0b61a4", "#c75000", "#6b4c9a"};

struct Frame {
  std::size_t passes;
  int lowest;  // decade

  double x(std::size_t pass) const {
    const double share = passes > 1 ? static_cast<double>(pass) / static_cast<double>(passes - 1) : 0;
    return left + share * (width - left - right);
  }
  double y(double residual) const {
    const double decades = std::log10(std::max(residual, std::pow(10.0, lowest)));
    return top + decades / lowest * (height - top - bottom);
  }
};

void write_axes(std::ofstream& svg, const Frame& frame) {
  for (int decade = frame.lowest; decade <= 0; ++decade) {
    const double y = frame.y(std::pow(10.0, decade));
    svg << "<line class='grid' x1='" << left << "' x2='" << width - right << "' y1='" << y << "' y2='" << y << "'/>\n"
        << "<text text-anchor='end' x='" << left - 8 << "' y='" << y + 4 << "'>10<tspan dy='-5' font-size='10'>"
        << decade << "</tspan></text>\n";
  }
  for (std::size_t pass = 0; pass < frame.passes; ++pass) {
    if (pass != 0 && (pass + 1) % 8 != 0) continue;
    svg << "<text text-anchor='middle' x='" << frame.x(pass) << "' y='" << height - bottom + 20 << "'>" << pass + 1
        << "</text>\n";
  }
  svg << "<text x='" << left << "' y='26' font-weight='bold'>What is missing of a value that is asked for</text>\n"
      << "<text text-anchor='middle' x='" << (left + width - right) / 2 << "' y='" << height - 10
      << "'>times that all pairs were read</text>\n";
}

void write_curve(std::ofstream& svg, const Frame& frame, const Curve& curve, std::size_t number) {
  const char* colour = colours[number / 2 % colours.size()];
  const char* dash = curve.dashed ? " stroke-dasharray='6 4'" : "";
  svg << "<polyline fill='none' stroke-width='2' stroke='" << colour << "'" << dash << " points='";
  for (std::size_t pass = 0; pass < curve.residuals.size(); ++pass) {
    svg << frame.x(pass) << ',' << frame.y(curve.residuals[pass]) << ' ';
  }
  const double y = top + 12 + 24 * static_cast<double>(number);
  svg << "'/>\n<line stroke-width='2' stroke='" << colour << "'" << dash << " x1='" << width - right + 16 << "' x2='"
      << width - right + 46 << "' y1='" << y << "' y2='" << y << "'/>\n<text x='" << width - right + 54 << "' y='"
      << y + 4 << "'>" << curve.name << "</text>\n";
}

}  // namespace

void draw(const std::vector<Curve>& curves, const std::string& path) {
  double least = 0.1;
  for (const Curve& curve : curves) {
    least = std::min(least, *std::min_element(curve.residuals.begin(), curve.residuals.end()));
  }
  const Frame frame{curves.front().residuals.size(), std::max(-8, static_cast<int>(std::floor(std::log10(least))))};
  std::ofstream svg(path);
  svg << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " << width << ' ' << height
      << "'>\n<style>svg{font:13px system-ui,sans-serif;background:#fff}text{fill:#222}.grid{stroke:#ddd}</style>\n";
  write_axes(svg, frame);
  for (std::size_t i = 0; i < curves.size(); ++i) write_curve(svg, frame, curves[i], i);
  svg << "</svg>\n";
  if (!svg.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace recall
