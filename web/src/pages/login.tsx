/* The way in. */
import { FormGroup, FormHelperText, LoginForm, LoginPage, TextInput } from "@patternfly/react-core";
import { useState } from "react";
import { Problem, type Session, request } from "../lib/api";
import { t } from "../lib/i18n";
import { ProblemShown } from "../ui/problem";

export async function logIn(body: Record<string, string>): Promise<Session> {
  return (await request("POST", "/session", body)).json() as Promise<Session>;
}

export function Login({ onSession, problem: first }: { onSession: (session: Session) => void; problem?: Problem | undefined }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState("");
  const [asksOtp, setAsksOtp] = useState(false);
  const [problem, setProblem] = useState(first);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      onSession(await logIn({ user, password, ...(otp && { otp }) }));
    } catch (error) {
      const p = error as Problem;
      const isFirst = /otp|one-time code/i.test(`${p.word ?? ""} ${p.message} ${p.hint ?? ""}`) && !asksOtp;
      if (isFirst) setAsksOtp(true);
      setProblem(isFirst ? undefined : p);
    }
    setBusy(false);
  };
  return (
    <LoginPage
      loginTitle={t("Log in to Lodge")}
      loginSubtitle={t("With an account of this host, or one of Lodge's own")}
      textContent={t("`lodge web` on the host prints a link that logs in once.")}
    >
      {problem && <ProblemShown problem={problem} />}
      {asksOtp && (
        <FormGroup label={t("One-time code")} fieldId="otp">
          <TextInput id="otp" inputMode="numeric" autoComplete="one-time-code" autoFocus value={otp} onChange={(_, value) => setOtp(value)} onKeyDown={(e) => e.key === "Enter" && void submit()} />
          <FormHelperText>{t("The code that your app shows now.")}</FormHelperText>
        </FormGroup>
      )}
      <LoginForm
        usernameLabel={t("User")}
        usernameValue={user}
        onChangeUsername={(_, value) => setUser(value)}
        passwordLabel={t("Password")}
        passwordValue={password}
        onChangePassword={(_, value) => setPassword(value)}
        showPasswordAriaLabel={t("Show the password")}
        hidePasswordAriaLabel={t("Hide the password")}
        isShowPasswordEnabled
        isLoginButtonDisabled={busy || user === ""}
        loginButtonLabel={t("Log in")}
        onLoginButtonClick={(event) => {
          event.preventDefault();
          void submit();
        }}
      />
    </LoginPage>
  );
}
