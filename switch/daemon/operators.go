package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"onecard/switch/console"
	"onecard/switch/transaction"
)

// OperatorChange registers an operator or changes him. It goes through the control socket: whoever owns the data folder says who may work
// at a desk.
type OperatorChange struct {
	Code  string `json:"code"`
	Act   string `json:"act"`             // "add", "roles", "suspend", "resume", "token"
	Roles string `json:"roles,omitempty"` // of add and roles: "cashier,approver"
	By    string `json:"by"`              // who says so, for the record
}

// OperatorAnswer is an operator as he is now.
type OperatorAnswer struct {
	Code      string `json:"code"`
	Roles     string `json:"roles"`
	Suspended bool   `json:"suspended"`
	Token     string `json:"token,omitempty"` // CODE.TOKEN, after add and token: it is shown this once
}

// operatorActs are what can be done to an operator.
var operatorActs = []string{"add", "roles", "suspend", "resume", "token"}

func (s *server) changeOperator(w http.ResponseWriter, r *http.Request) {
	var asked OperatorChange
	if err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&asked); err != nil {
		answerJSON(w, http.StatusBadRequest, Answer{Error: err.Error()})
		return
	}
	changed, err := changeOperator(r.Context(), s.opened.engine, &asked, s.clock.micros(), s.options.Random)
	if err != nil {
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	s.log.Info("操作员变更 / an operator was changed", zap.String("operator", changed.Code), zap.String("act", asked.Act), zap.String("roles", changed.Roles), zap.String("by", asked.By))
	answerJSON(w, http.StatusOK, Answer{Operators: []OperatorAnswer{changed}})
}

// changeOperator works out the operator's new row and writes it.
func changeOperator(ctx context.Context, engine *transaction.Engine, asked *OperatorChange, now int64, random io.Reader) (OperatorAnswer, error) {
	if !slices.Contains(operatorActs, asked.Act) {
		return OperatorAnswer{}, fmt.Errorf("不能对操作员做 %q / an operator cannot be %[1]q", asked.Act)
	}
	var before transaction.Operator
	known := false
	if err := engine.Look(ctx, func(s *transaction.State) { before, known = s.OperatorByCode(asked.Code) }); err != nil {
		return OperatorAnswer{}, err
	}
	if adds := asked.Act == "add"; adds && known {
		return OperatorAnswer{}, fmt.Errorf("操作员 %s 已登记,换令牌用 operator token / operator %[1]s is registered: operator token gives a new token", asked.Code)
	} else if !adds && !known {
		return OperatorAnswer{}, fmt.Errorf("操作员 %q 未登记 / operator %[1]q is not registered", asked.Code)
	}
	row := transaction.OperatorRow{Code: asked.Code, Roles: before.Roles, Suspended: before.Suspended, TokenHash: before.TokenHash}
	if asked.Act == "add" || asked.Act == "roles" {
		var ok bool
		if row.Roles, ok = transaction.ParseRoles(asked.Roles); !ok {
			return OperatorAnswer{}, fmt.Errorf("角色 %q:写 cashier、cards、accountant、approver、reader、administrator,逗号分隔 / roles: write some of these, with commas", asked.Roles)
		}
	}
	shown := ""
	switch asked.Act {
	case "suspend":
		row.Suspended = true
	case "resume":
		row.Suspended = false
	case "add", "token":
		var err error
		if shown, row.TokenHash, err = console.NewToken(asked.Code, random); err != nil {
			return OperatorAnswer{}, err
		}
	}
	if err := engine.SetOperator(ctx, row, asked.By, now); err != nil {
		return OperatorAnswer{}, err
	}
	return OperatorAnswer{row.Code, row.Roles.String(), row.Suspended, shown}, nil
}

func (s *server) listOperators(w http.ResponseWriter, r *http.Request) {
	list := []OperatorAnswer{}
	err := s.opened.engine.Look(r.Context(), func(state *transaction.State) {
		for _, o := range state.Operators() {
			list = append(list, OperatorAnswer{Code: o.Code, Roles: o.Roles.String(), Suspended: o.Suspended})
		}
	})
	if err != nil {
		answerJSON(w, http.StatusServiceUnavailable, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{Operators: list})
}

// ChangeOperator registers an operator or changes him. An empty By is the user who runs this program.
func (c *Client) ChangeOperator(ctx context.Context, change OperatorChange) (OperatorAnswer, error) {
	if change.By == "" {
		change.By = operatorName()
	}
	body, err := json.Marshal(change)
	if err != nil {
		return OperatorAnswer{}, err
	}
	list, err := c.operators(ctx, http.MethodPost, body)
	if err != nil {
		return OperatorAnswer{}, err
	}
	if len(list) != 1 {
		return OperatorAnswer{}, errors.New("the switch's answer names no operator")
	}
	return list[0], nil
}

// Operators lists the operators.
func (c *Client) Operators(ctx context.Context) ([]OperatorAnswer, error) {
	return c.operators(ctx, http.MethodGet, nil)
}

func (c *Client) operators(ctx context.Context, method string, body []byte) ([]OperatorAnswer, error) {
	var a Answer
	if err := c.call(ctx, method, "/operators", body, &a); err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Operators, nil
}
