package console

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrongValuesAreSaidBackWithoutCardNumbers(t *testing.T) {
	require.Equal(t, "915600******0012 x", shown("9156000000000012 x"))
	require.Equal(t, "915600******0012", shown(float64(9156000000000012)))
	require.Equal(t, "123456789012", shown("123456789012"), "a record's number stays readable")
	require.Equal(t, strings.Repeat("a", shownMax)+"…", shown(strings.Repeat("a", 10_000)))
	require.Nil(t, shown(map[string]any{"a": 1}))
	require.Equal(t, true, shown(true))
}

func TestBearer(t *testing.T) {
	shown, hash, err := NewToken("li.si", strings.NewReader(strings.Repeat("r", 64)))
	require.NoError(t, err)
	code, token, ok := readBearer("Bearer " + shown)
	require.True(t, ok)
	require.Equal(t, "li.si", code)
	require.Len(t, token, tokenBytes)
	require.NotEmpty(t, hash)
	for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer .", "Basic " + shown, "Bearer " + shown + "x", "Bearer li.si", "Bearer " + strings.TrimPrefix(shown, "li.si")} {
		_, _, ok := readBearer(wrong)
		require.False(t, ok, wrong)
	}
	_, _, err = NewToken("li", strings.NewReader("short"))
	require.Error(t, err)
}

func TestKeysOfTwoOperatorsDiffer(t *testing.T) {
	require.Equal(t, keyOf("li", "12345678"), keyOf("li", "12345678"))
	require.NotEqual(t, keyOf("li", "12345678"), keyOf("wang", "12345678"))
	require.NotEqual(t, keyOf("li", "12345678"), keyOf("li", "12345679"))
}
