//! Writes a table of figures as CSV and as an SVG chart.

use std::fmt::Write as _;
use std::path::Path;

/// The figures measured at each size.
pub struct Table {
    /// The name used in the file names.
    pub name: &'static str,
    /// The quantity on the horizontal axis.
    pub size: &'static str,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// Each size with its figures.
    pub rows: Vec<(u64, Vec<f64>)>,
}

/// One chart per unit; column names end with their unit. Columns that are zero at every size are not drawn.
const PANELS: [&str; 4] = ["per second", "p99 ms", "claim ms", "MiB"];
const COLORS: [&str; 6] = ["#1d4ed8", "#b91c1c", "#15803d", "#a16207", "#7e22ce", "#0e7490"];
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 250.0;
const GAP: f64 = 60.0;

impl Table {
    /// Writes `growth-NAME.csv` and `growth-NAME.svg`.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for (ending, text) in [("csv", self.csv()), ("svg", self.svg())] {
            std::fs::write(folder.join(format!("growth-{}.{ending}", self.name)), text).unwrap();
        }
    }

    pub fn csv(&self) -> String {
        let mut text = format!("{},{}\n", self.size, self.columns.join(","));
        for (size, figures) in &self.rows {
            let figures: Vec<String> = figures.iter().map(|figure| format!("{figure:.3}")).collect();
            writeln!(text, "{size},{}", figures.join(",")).unwrap();
        }
        text
    }

    fn svg(&self) -> String {
        let drawn = |at: &usize| self.rows.iter().any(|(_, row)| row[*at] > 0.0);
        let panels: Vec<(&str, Vec<usize>)> = PANELS
            .iter()
            .map(|unit| {
                let of_unit = |at: &usize| self.columns[*at].ends_with(unit) && drawn(at);
                (*unit, (0..self.columns.len()).filter(of_unit).collect())
            })
            .filter(|(_, columns): &(_, Vec<usize>)| !columns.is_empty())
            .collect();
        let height = GAP + (HEIGHT + GAP) * panels.len() as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        for (at, (unit, columns)) in panels.iter().enumerate() {
            self.panel(&mut svg, GAP / 2.0 + (HEIGHT + GAP) * at as f64, unit, columns);
        }
        svg + "</svg>\n"
    }

    /// The horizontal axis is logarithmic; the vertical axis starts at 0.
    fn panel(&self, svg: &mut String, top: f64, unit: &str, columns: &[usize]) {
        let bottom = top + HEIGHT;
        let logarithm = |size: u64| (size.max(1) as f64).ln();
        let (first, last) = (logarithm(self.rows[0].0), logarithm(self.rows[self.rows.len() - 1].0));
        let x = |size| LEFT + (logarithm(size) - first) / (last - first).max(1e-9) * (WIDTH - LEFT - RIGHT);
        let figures = self.rows.iter().flat_map(|(_, row)| columns.iter().map(|column| row[*column]));
        let most = figures.fold(1e-9, f64::max) * 1.1;
        let y = |figure: f64| bottom - figure / most * HEIGHT;
        for tick in 0..=4 {
            let figure = most * f64::from(tick) / 4.0;
            let (at, text) = (y(figure), format!("{figure:.*}", usize::from(most < 20.0)));
            let right = WIDTH - RIGHT;
            writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>").unwrap();
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 6.0,
                at + 4.0
            )
            .unwrap();
        }
        for (size, _) in &self.rows {
            let at = (x(*size), bottom + 16.0);
            writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{size}</text>", at.0, at.1)
                .unwrap();
        }
        writeln!(svg, "<text x=\"{LEFT}\" y=\"{:.1}\">{unit}, by {}</text>", top - 8.0, self.size).unwrap();
        for (at, column) in columns.iter().enumerate() {
            let color = COLORS[at % COLORS.len()];
            let points: Vec<String> = self
                .rows
                .iter()
                .map(|(size, row)| format!("{:.1},{:.1}", x(*size), y(row[*column])))
                .collect();
            let line = points.join(" ");
            writeln!(
                svg,
                "<polyline points=\"{line}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
            )
            .unwrap();
            for point in &points {
                let (x, y) = point.split_once(',').unwrap();
                writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{color}\"/>").unwrap();
            }
            let (x, y) = (WIDTH - RIGHT + 12.0, top + 12.0 + 18.0 * at as f64);
            writeln!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"{color}\">{}</text>", self.columns[*column])
                .unwrap();
        }
    }
}
