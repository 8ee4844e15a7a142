// The two services and their bucket in a project of Railway that has a PostgreSQL already. What it does, what it was
// tried on and what to look at before `railway config apply`: docs/railway.md.
import { bucket, defineRailway, project, ref, service } from "railway/iac";

// This file owns what it names and nothing else in the project.
export const partial = "postgres-backup";

// The service of the database, as the canvas of the project shows it.
const DATABASE = "Postgres";

const deploy = {
  restartPolicyType: "ON_FAILURE",
  restartPolicyMaxRetries: 10,
  // More than SHUTDOWN_GRACE_SECONDS, which is 8.
  drainingSeconds: 15,
  overlapSeconds: 0,
  // A service that sleeps misses its schedule.
  sleepApplication: false,
} as const;

const build = (name: string) => ({
  builder: "DOCKERFILE" as const,
  dockerfilePath: `services/${name}/Dockerfile`,
  watchPatterns: ["Cargo.toml", "Cargo.lock", "crates/**", `services/${name}/**`],
});

export default defineRailway((ctx) => {
  // Its region cannot be changed later.
  const backups = bucket("Bucket", { region: "iad" });

  const store = {
    S3_ENDPOINT: ref(backups, "ENDPOINT"),
    S3_BUCKET: ref(backups, "BUCKET"),
    S3_REGION: ref(backups, "REGION"),
    S3_ACCESS_KEY_ID: ref(backups, "ACCESS_KEY_ID"),
    S3_SECRET_ACCESS_KEY: ref(backups, "SECRET_ACCESS_KEY"),
    // As the Credentials tab of the bucket says; "true" where it says path style.
    S3_FORCE_PATH_STYLE: "false",
  };

  // `apply` deletes the variables of a service that are not named here. A secret that was set in the dashboard is
  // kept with `BACKUP_ENCRYPTION_KEY: preserve()`, and `preserve` among the imports: without a key, backups are not
  // encrypted.
  const backup = service("backup", {
    build: build("backup"),
    deploy,
    healthcheck: "/readyz",
    healthcheckTimeout: 300,
    replicas: 1,
    env: {
      ...store,
      DATABASE_URL: `\${{${DATABASE}.DATABASE_URL}}`,
    },
  });

  // No DATABASE_URL: it starts a throwaway server of its own.
  const verify = service("verify", {
    build: build("verify"),
    deploy,
    healthcheck: "/readyz",
    healthcheckTimeout: 300,
    replicas: 1,
    env: {
      ...store,
      VERIFY_ATTEST: "true",
    },
  });

  return project(ctx.projectName ?? "postgres-backup", { resources: [backups, backup, verify] });
});
