package demo

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
)

func TestWidths(t *testing.T) {
	for text, columns := range map[string]int{
		"": 0, "abc": 3, "第一食堂": 8, "¥12.50": 6, "━━┻▲●○✓✗█▏▁": 11, "Σ借 − Σ贷": 9, "全角\uff0c": 6, "e\u0301": 1, "𬬻": 2, "\x1b": 0, "한": 2,
	} {
		require.Equal(t, columns, textWidth(text), "%q", text)
	}
}

func TestCutAndFillKeepTheColumns(t *testing.T) {
	require.Equal(t, "第一…", cut("第一食堂", 5))
	require.Equal(t, "第一…", cut("第一食堂", 6))
	require.Equal(t, "第一食堂", cut("第一食堂", 8))
	require.Empty(t, cut("第一食堂", 0))
	require.Equal(t, "第… ", left("第一食堂", 4))
	require.Equal(t, "  12", right("12", 4))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab ¥第一食堂,━e\u0301"))).Draw(t, "text")
		columns := rapid.IntRange(0, 20).Draw(t, "columns")
		require.LessOrEqual(t, textWidth(cut(text, columns)), columns)
		require.Equal(t, columns, textWidth(left(text, columns)))
		require.Equal(t, columns, textWidth(right(text, columns)))
	})
}

func TestPutNeverLeavesHalfACharacter(t *testing.T) {
	c := newCanvas(8, 1)
	c.put(0, 0, plain, "第一食堂")
	c.put(3, 0, plain, "x")
	require.Equal(t, "第 x食堂\n", c.String())
	c.put(4, 0, plain, "y")
	require.Equal(t, "第 xy 堂\n", c.String())
	require.Equal(t, 8, c.put(7, 0, plain, "z"))
	require.Equal(t, "第 xy  z\n", c.String())
	require.Equal(t, 7, c.put(7, 0, plain, "宽"), "a wide character does not fit into the last column")
	require.Equal(t, "第 xy  z\n", c.String())
}

// glass is a terminal: it does what the frames say.
type glass struct {
	*canvas
	x, y int
}

func (g *glass) write(t *testing.T, frame string) {
	for len(frame) > 0 {
		switch {
		case strings.HasPrefix(frame, beginFrame):
			frame = frame[len(beginFrame):]
		case strings.HasPrefix(frame, endFrame):
			frame = frame[len(endFrame):]
		case strings.HasPrefix(frame, "\x1b[2J"):
			frame = frame[4:]
			*g.canvas = *newCanvas(g.width, g.height)
		case strings.HasPrefix(frame, "\x1b["):
			end := strings.IndexAny(frame, "mH")
			require.Positive(t, end)
			if frame[end] == 'H' {
				y, x, _ := strings.Cut(frame[2:end], ";")
				g.y, _ = strconv.Atoi(y)
				g.x, _ = strconv.Atoi(x)
				g.x, g.y = g.x-1, g.y-1
			}
			frame = frame[end+1:]
		default:
			r := []rune(frame)[0]
			g.put(g.x, g.y, plain, string(r))
			g.x += runeWidth(r)
			frame = frame[len(string(r)):]
		}
	}
}

// TestFramesAddUp: a terminal that is given only the differences shows what was drawn.
func TestFramesAddUp(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"第一食堂", "ab", " ", "━━", "¥1,234.50", "王小明", "█▌"}
	g := &glass{canvas: newCanvas(40, 6)}
	var before *canvas
	for range 200 {
		now := newCanvas(40, 6)
		for range 12 {
			now.put(random.IntN(40), random.IntN(6), style(random.IntN(len(styleCodes))), pieces[random.IntN(len(pieces))])
		}
		frame := now.appendFrame(nil, before)
		g.write(t, string(frame))
		require.Equal(t, now.String(), g.String())
		before = now
	}
	require.Equal(t, beginFrame+"\x1b[0m"+endFrame, string(before.appendFrame(nil, before)), "nothing has changed: nothing is written")
}

func TestBars(t *testing.T) {
	require.Equal(t, "████", bar(10, 10, 4))
	require.Equal(t, "██", bar(5, 10, 4))
	require.Equal(t, "▏", bar(0.01, 10, 4), "anything above zero shows")
	require.Empty(t, bar(0, 10, 4))
	require.Equal(t, []string{"  ▄", "▁██"}, columnsOf([]float64{1, 8, 12}, 16, 3, 2))
	require.Equal(t, []string{"   ", " ▁█"}, columnsOf([]float64{0.01, 8}, 16, 3, 2))
	require.Equal(t, []float64{1.5, 3}, thin([]float64{1, 2, 3}, 2, mean))
	for v, top := range map[float64]float64{0.0011: 0.0015, 231: 250, 250: 250, 251: 300, 999: 1000} {
		require.InDelta(t, top, ceiling(v), top/1e9)
	}
}

// TestTheBeamTilts to the heavier side, and only then.
func TestTheBeamTilts(t *testing.T) {
	rowOf := func(difference int) (debits, credits int) {
		m := sample()
		m.Books.Difference = money.Fen(difference)
		for y, line := range strings.Split(draw(m, 160, 40).String(), "\n") {
			if strings.Contains(line, "Σ借 ¥") {
				debits = y
			}
			if strings.Contains(line, "Σ贷 ¥") {
				credits = y
			}
		}
		return debits, credits
	}
	debits, credits := rowOf(0)
	require.Equal(t, debits, credits)
	debits, credits = rowOf(1)
	require.Greater(t, debits, credits)
	debits, credits = rowOf(-1)
	require.Less(t, debits, credits)
}
